"""Reading and finding scripts."""

import os
from pathlib import Path

import pytest
import yaml

from adapters.models.scripted.question import WireProblem
from adapters.models.scripted.script import SHIPPED, Script, ScriptShelf, read_script
from domain.errors import InvalidRequest

ONE = "conversations: [{turns: [{text: hello}]}]"
ROOT = Path(__file__).resolve().parents[4]


def test_a_script_is_read():
    script = read_script(ONE)
    assert script.conversations[0].turns[0].text == "hello"
    assert script.latency_ms == 0


@pytest.mark.parametrize(
    ("text", "place"),
    [
        ("conversations: [", "not YAML"),
        ("conversations: []", "conversations"),
        ("conversations: [{turns: []}]", "conversations.0.turns"),
        ("conversations: [{turns: [{txt: hello}]}]", "conversations.0.turns.0.txt"),
        ("just words", "valid dictionary"),
    ],
)
def test_a_wrong_script_says_where(text: str, place: str):
    with pytest.raises(InvalidRequest) as caught:
        read_script(text, "mine.yaml")
    assert place in caught.value.message
    assert "mine.yaml" in caught.value.message


@pytest.mark.parametrize("path", sorted(SHIPPED.glob("*.yaml")), ids=lambda path: path.stem)
def test_every_script_that_ships_is_read(path: Path):
    assert read_script(path.read_text(), path.name).about


def test_the_script_in_the_document_is_read():
    text = (ROOT / "docs/scripted-models.md").read_text()
    block = text.partition("```yaml\n")[2].partition("```")[0]
    assert len(read_script(block).conversations) == 2


def test_scripts_are_found_in_files_directories_and_among_those_that_ship(tmp_path: Path):
    (tmp_path / "dir").mkdir()
    (tmp_path / "dir/inner.yaml").write_text(ONE)
    (tmp_path / "outer.yaml").write_text(ONE)
    shelf = ScriptShelf([tmp_path / "dir", tmp_path / "outer.yaml"])
    shelf.add("added", ONE)
    assert {"added", "inner", "outer", "demo", "echo"} <= set(shelf.names())
    for name in ("added", "inner", "outer@3"):
        assert isinstance(shelf.get(name), Script)


def test_an_unknown_script_is_an_unknown_model():
    with pytest.raises(WireProblem) as caught:
        ScriptShelf().get("nothing")
    assert caught.value.status == 404
    assert "echo" in caught.value.message


def test_a_changed_file_is_read_again(tmp_path: Path):
    path = tmp_path / "mine.yaml"
    path.write_text(ONE)
    shelf = ScriptShelf([tmp_path])
    before = shelf.get("mine")
    assert shelf.get("mine") is before
    path.write_text(yaml.safe_dump({"conversations": [{"turns": [{"text": "other"}]}]}))
    os.utime(path, ns=(1, 1))
    assert shelf.get("mine").conversations[0].turns[0].text == "other"


def test_a_file_that_became_wrong_is_a_422(tmp_path: Path):
    (tmp_path / "mine.yaml").write_text("[")
    with pytest.raises(WireProblem) as caught:
        ScriptShelf([tmp_path]).get("mine")
    assert caught.value.status == 422
