import os

from tests.activities.tools.conftest import Bench


async def test_a_directory_is_listed_in_order(bench: Bench) -> None:
    bench.put("b.txt", "four")
    bench.put("a/deep/x.py", "")
    (bench.workspace / "link").symlink_to("b.txt")
    os.mkfifo(bench.workspace / "pipe")
    assert await bench.said("list") == "a/\nb.txt  4\nlink -> b.txt\npipe  (not a regular file)"


async def test_depth_goes_below_and_spares_git(bench: Bench) -> None:
    bench.put(".git/config", "x")
    bench.put("a/deep/x.py", "12")
    assert await bench.said("list", path=".", depth=3) == ".git/\na/\na/deep/\na/deep/x.py  2"


async def test_names_that_are_not_utf8_are_shown(bench: Bench) -> None:
    (bench.workspace / os.fsdecode(b"caf\xe9")).write_text("x")
    assert await bench.said("list") == "caf\\xe9  1"


async def test_a_file_is_described(bench: Bench) -> None:
    bench.put("a.txt", "four", mode=0o640)
    assert await bench.said("list", path="a.txt") == "a.txt: regular file, 4 bytes, mode 640"


async def test_an_empty_directory_says_so(bench: Bench) -> None:
    assert await bench.said("list", path="/workspace") == "/workspace: an empty directory"


async def test_too_many_entries_are_counted(bench: Bench) -> None:
    for number in range(600):
        bench.put(f"f{number}", "")
    said = await bench.said("list")
    assert said.count("\n") == 500
    assert said.endswith("[500 of 600 or more entries; list a directory below it, or use `bash`]")


async def test_what_is_not_there_is_said(bench: Bench) -> None:
    assert await bench.refused("list", path="nowhere") == "There is no file nowhere."
