import io
import tracemalloc
from pathlib import Path

from adapters.repositories.added import FLAGS, LINE_COST, read_added
from tests.fixtures.git_server import commit_files, git, make_repository


def added(repository: Path, files: dict[str, str | bytes], most: int = 10**6) -> tuple[dict[str, list[int]], bool]:
    """The numbers of the added lines, by path."""
    base = git(repository, "rev-parse", "HEAD")
    now = commit_files(repository, files)
    diff = git(repository, "diff-tree", *FLAGS, base, now).encode(errors="surrogateescape")
    found, whole = read_added(io.BytesIO(diff + b"\n"), most)
    return {path: one.numbers for path, one in found.items()}, whole


def test_lines_have_the_numbers_that_they_have_in_the_file(tmp_path: Path) -> None:
    make_repository(tmp_path, {"a": "1\n2\n3\n4\n5\n"})
    assert added(tmp_path, {"a": "0\n1\n2\nnew\nnewer\n5\nlast"}) == ({"a": [1, 4, 5, 7]}, True)


def test_lines_that_look_like_headers_are_lines(tmp_path: Path) -> None:
    make_repository(tmp_path, {"a": "1\n"})
    text = "++ b/other\n@@ -0,0 +1,9 @@\ndiff --git a/x b/x\n-- a/x\n\\ No newline at end of file\n"
    assert added(tmp_path, {"a": "1\n" + text, "b": "x\n"})[0] == {"a": [2, 3, 4, 5, 6], "b": [1]}


def test_odd_names_are_read_back(tmp_path: Path) -> None:
    make_repository(tmp_path, {"a": "1\n"})
    names = ("two words", 'quo"te', "tab\tx", "new\nline", "back\\slash", "caf\u00e9", "b", "dev/null")
    (tmp_path / b"\xff".decode(errors="surrogateescape")).write_text("x\n")
    found, _ = added(tmp_path, dict.fromkeys(names, "x\n"))
    assert found == {name: [1] for name in (*names, "\udcff")}


def test_binary_files_are_looked_at_and_files_that_attributes_hide(tmp_path: Path) -> None:
    make_repository(tmp_path, {"a": "1\n", ".gitattributes": "*.lock -diff\n"})
    assert added(tmp_path, {"bin": b"\0\n\1", "x.lock": "x\n"})[0] == {"bin": [1, 2], "x.lock": [1]}


def test_no_more_is_kept_than_was_asked_for(tmp_path: Path) -> None:
    make_repository(tmp_path, {"a": "1\n"})
    assert added(tmp_path, {"b": "12\n34\n56\n"}, most=2 * LINE_COST + 4) == ({"b": [1, 2]}, False)


def test_millions_of_empty_lines_cost_no_more_memory_than_was_granted(tmp_path: Path) -> None:
    count, most = 3_000_000, 8 * 1024**2
    diff = b"--- /dev/null\n+++ b/a\n@@ -0,0 +1,%d @@\n" % count + b"+\n" * count
    tracemalloc.start()
    try:
        found, whole = read_added(io.BytesIO(diff), most)
        _, peak = tracemalloc.get_traced_memory()
    finally:
        tracemalloc.stop()
    assert not whole
    assert len(found["a"].lines) == most // LINE_COST
    assert peak < 2 * most
