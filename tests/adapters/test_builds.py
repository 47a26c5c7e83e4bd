import os
import subprocess
from pathlib import Path

from adapters.builds import VERSION, build_id

GIT = ["git", "-c", "user.name=t", "-c", "user.email=t@example.com", "-c", "init.defaultBranch=main"]


def checkout(place: Path) -> Path:
    (place / "workflows").mkdir(parents=True)
    (place / "docs").mkdir()
    (place / "workflows" / "run.py").write_text("one = 1\n")
    (place / "docs" / "a.md").write_text("a\n")
    for words in (["init", "-q"], ["add", "."], ["commit", "-qm", "one"]):
        subprocess.run([*GIT, "-C", str(place), *words], check=True, env={"PATH": os.environ["PATH"]})
    return place


def test_the_image_says_what_it_holds() -> None:
    assert build_id({"PERDURE_BUILD_ID": "release/1:2"}) == "release-1-2"


def test_a_checkout_is_its_commit_until_code_of_workers_changes(tmp_path: Path) -> None:
    place = checkout(tmp_path / "clone")
    commit = build_id({}, place)
    assert len(commit) == 12
    (place / "docs" / "a.md").write_text("b\n")
    assert build_id({}, place) == commit
    (place / "workflows" / "run.py").write_text("one = 2\n")
    changed = build_id({}, place)
    assert changed.startswith(f"{commit}-")
    (place / "workflows" / "new.py").write_text("two = 2\n")
    assert build_id({}, place) not in (commit, changed)


def test_without_a_checkout_the_same_code_has_the_same_id_anywhere(tmp_path: Path) -> None:
    for name in ("a", "b", "c"):
        (tmp_path / name / "workflows" / "__pycache__").mkdir(parents=True)
        (tmp_path / name / "workflows" / "run.py").write_text("one = 1\n")
        (tmp_path / name / "workflows" / "__pycache__" / "run.pyc").write_text(name)
    (tmp_path / "c" / "workflows" / "run.py").write_text("one = 2\n")
    ids = [build_id({}, tmp_path / name) for name in ("a", "b", "c")]
    assert ids[0] == ids[1] != ids[2]
    assert all(one.startswith(f"{VERSION}-") for one in ids)
