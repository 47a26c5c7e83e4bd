from tests.activities.tools.conftest import Bench


async def test_a_new_file_is_written_with_its_directories(bench: Bench) -> None:
    assert await bench.said("write", path="a/b/c.py", content="x = 1\n") == "Wrote a/b/c.py: 1 line."
    assert bench.text("a/b/c.py") == "x = 1\n"


async def test_a_file_that_is_there_keeps_its_mode(bench: Bench) -> None:
    path = bench.put("run.sh", "old", mode=0o750)
    await bench.do("write", path="run.sh", content="")
    assert (bench.text("run.sh"), path.stat().st_mode & 0o777) == ("", 0o750)


async def test_a_megabyte_arrives_whole(bench: Bench) -> None:
    content = "é0123456789\n" * 80_000
    await bench.do("write", path="big.txt", content=content)
    assert bench.text("big.txt") == content


async def test_what_cannot_be_written_is_said(bench: Bench) -> None:
    (bench.workspace / "dir").mkdir()
    bench.put("file", "x")
    assert "is a directory" in await bench.refused("write", path="dir", content="x")
    assert "file/x:" in await bench.refused("write", path="file/x", content="x")
    assert (
        "ermission denied" in (said := await bench.refused("write", path="/etc/x", content="x")) or "Read-only" in said
    )
