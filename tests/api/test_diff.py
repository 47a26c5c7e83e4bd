import subprocess
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from api.diff import FILE_MAX_BYTES, as_text, live_diff, shown_path, split
from domain.workspace import FileChange


def apply(directory: Path, changes: list[FileChange]) -> None:
    """By git itself, in a plain directory, from the text that clients are given."""
    for change in changes:
        if change.before is not None:
            path = directory / change.path
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_bytes(change.before)
    text = as_text(live_diff(changes))
    subprocess.run(["git", "apply", "--whitespace=nowarn", "-"], cwd=directory, input=text.encode(), check=True)


@pytest.mark.parametrize(
    ("before", "after"),
    [
        (b"one\ntwo\n", b"one\n2\nthree\n"),
        (None, b"new\n"),
        (b"old\n", None),
        (b"no newline", b"no newline\n"),
        (b"a\n", b"a"),
        (b"form\x0cfeed\r\nline\n", b"form\x0cfeed\r\nother\n"),
    ],
)
def test_git_applies_a_live_diff(tmp_path: Path, before: bytes | None, after: bytes | None) -> None:
    apply(tmp_path, [FileChange(path="src/it.py", before=before, after=after)])
    path = tmp_path / "src/it.py"
    assert (path.read_bytes() if path.exists() else None) == after


TEXTS = st.lists(st.sampled_from(["a", "b", "c", "", "--- a", "+++ b", "@@ x"]), max_size=12).map("\n".join)


@given(TEXTS, TEXTS)
def test_added_and_removed_lines_are_counted_as_they_differ(before: str, after: str) -> None:
    [file] = live_diff([FileChange(path="f", before=before.encode(), after=after.encode())])
    assert file.added - file.removed == len(after.splitlines()) - len(before.splitlines())


@pytest.mark.parametrize(
    "name", ["two words.txt", "tab\there", 'quo"te', "back\\123slash", "caf\udce9", "käse", "new\nline"]
)
def test_git_applies_a_diff_whatever_the_file_is_called(tmp_path: Path, name: str) -> None:
    change = FileChange(path=name, before=b"a\n", after=b"b\n")
    apply(tmp_path, [change])
    assert (tmp_path / name).read_bytes() == b"b\n"
    [file] = split(as_text(live_diff([change])))
    assert file.path == shown_path(name)


def test_a_binary_file_is_named_and_not_shown() -> None:
    [file] = live_diff([FileChange(path="logo.png", before=b"\x89PNG\0", after=b"\x89PNG\0\1")])
    assert file.binary
    assert "Binary files a/logo.png and b/logo.png differ" in file.diff


def test_a_file_too_large_to_compare_is_only_named() -> None:
    [file] = live_diff([FileChange(path="big.txt", before=None, after=b"x\n" * FILE_MAX_BYTES)])
    assert file.binary
    assert len(file.diff) < 200


def test_a_name_that_is_not_utf8_is_shown_escaped() -> None:
    assert shown_path("caf\udce9.txt") == "caf\\xe9.txt"


def test_a_diff_that_git_made_is_split_by_file(tmp_path: Path) -> None:
    def git(*words: str) -> str:
        command = ["git", "-c", "user.name=t", "-c", "user.email=t@localhost", *words]
        return subprocess.run(command, cwd=tmp_path, check=True, capture_output=True, text=True).stdout

    git("init", "-q")
    (tmp_path / "kept.py").write_text("a\nb\n")
    (tmp_path / "gone file.py").write_text("x\n")
    git("add", "-A")
    git("commit", "-qm", "base")
    (tmp_path / "kept.py").write_text("a\nc\nd\n")
    (tmp_path / "gone file.py").unlink()
    (tmp_path / "logo.bin").write_bytes(b"\0\1\2")
    (tmp_path / "minus.txt").write_text("diff --git is text here\n-- b\n")
    git("add", "-A")
    files = {file.path: file for file in split(git("diff", "--cached"))}
    assert {path: file.change for path, file in files.items()} == {
        "gone file.py": "deleted",
        "kept.py": "modified",
        "logo.bin": "added",
        "minus.txt": "added",
    }
    assert (files["kept.py"].added, files["kept.py"].removed) == (2, 1)
    assert files["logo.bin"].binary
    assert files["minus.txt"].added == 2
    assert "".join(file.diff for file in files.values()) == git("diff", "--cached")
