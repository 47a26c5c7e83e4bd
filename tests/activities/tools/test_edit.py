from tests.activities.tools.conftest import Bench


async def test_one_place_is_replaced_and_shown(bench: Bench) -> None:
    path = bench.put("run.sh", "a\nb\nc\nd\ne\nf\ng\nh\n", mode=0o755)
    said = await bench.said("edit", path="run.sh", old="e\n", new="E\nE2\n")
    assert (
        said
        == "run.sh now reads:\n     2\tb\n     3\tc\n     4\td\n     5\tE\n     6\tE2\n     7\tf\n     8\tg\n     9\th"
    )
    assert bench.text("run.sh") == "a\nb\nc\nd\nE\nE2\nf\ng\nh\n"
    assert path.stat().st_mode & 0o777 == 0o755


async def test_all_places_are_replaced_when_asked(bench: Bench) -> None:
    bench.put("a.py", "x = 1\ny = x\n")
    assert "occurs 2 times in a.py, at lines 1, 2" in await bench.refused("edit", path="a.py", old="x", new="z")
    assert await bench.said("edit", path="a.py", old="x", new="z", replace_all=True) == "a.py: replaced in 2 places."
    assert bench.text("a.py") == "z = 1\ny = z\n"


async def test_a_miss_changes_nothing_and_shows_what_is_near(bench: Bench) -> None:
    bench.put("a.py", "def f():\n    return 1\n")
    said = await bench.refused("edit", path="a.py", old="def f():\n  return 1", new="x")
    assert "the same but for white space" in said
    assert bench.text("a.py") == "def f():\n    return 1\n"


async def test_text_and_line_ends_survive(bench: Bench) -> None:
    bench.put("a.txt", "caf\u00e9\r\nzwei\r\ndrei")
    await bench.do("edit", path="a.txt", old="caf\u00e9\nzwei", new="eins\nzwei")
    assert bench.text("a.txt") == "eins\r\nzwei\r\ndrei"


async def test_what_cannot_be_edited_is_said(bench: Bench) -> None:
    bench.put("binary", b"a\0b")
    bench.put("latin", "caf\u00e9".encode("latin-1"))
    bench.put("big", "x" * (2 * 1024 * 1024 + 1))
    bench.put("closed", "abc", mode=0o444)
    assert "binary" in await bench.refused("edit", path="binary", old="a", new="b")
    assert "not UTF-8 (byte 0xe9 at offset 3)" in await bench.refused("edit", path="latin", old="a", new="b")
    assert "larger than" in await bench.refused("edit", path="big", old="x", new="b")
    assert "ermission denied" in await bench.refused("edit", path="closed", old="abc", new="b")
    assert "no file" in await bench.refused("edit", path="missing", old="abc", new="b")
