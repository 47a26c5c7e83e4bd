from pathlib import Path

import pytest

from adapters.site import load_site
from domain.errors import InvalidRequest
from domain.terms import Site

FILE = """
agents:
  coder:
    network: [{host: mirror.example.com, ports: [443, 8443]}]
    limits: {memory_bytes: 1073741824}
repositories:
  - match: https://git.example.com/web/*
    image: example/web:1
"""


def test_without_a_file_nothing_is_opened() -> None:
    assert load_site(None) == Site()


def test_the_file_is_read(tmp_path: Path) -> None:
    path = tmp_path / "site.yaml"
    path.write_text(FILE)
    site = load_site(str(path))
    assert site.agents["coder"].network[0].ports == (443, 8443)
    assert site.repositories[0].image == "example/web:1"
    path.write_text("# nothing yet\n")
    assert load_site(str(path)) == Site()


@pytest.mark.parametrize(
    ("text", "said"),
    [("agents: {codr: {}}", "codr"), ("netwrk: []", "netwrk"), ("[", "cannot be read"), ("agents: 3", "agents")],
)
def test_a_wrong_file_stops_the_worker_with_what_is_wrong(tmp_path: Path, text: str, said: str) -> None:
    path = tmp_path / "site.yaml"
    path.write_text(text)
    with pytest.raises(InvalidRequest, match=said):
        load_site(str(path))


def test_a_missing_file_does_too(tmp_path: Path) -> None:
    with pytest.raises(InvalidRequest, match="cannot be read"):
        load_site(str(tmp_path / "none.yaml"))
