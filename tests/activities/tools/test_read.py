import os

import pytest

from tests.activities.tools.conftest import Bench


async def test_lines_come_with_their_numbers(bench: Bench) -> None:
    bench.put("a.txt", "one\ntwo\nthree\n")
    assert await bench.said("read", path="a.txt") == "     1\tone\n     2\ttwo\n     3\tthree"


async def test_a_part_says_where_to_go_on(bench: Bench) -> None:
    bench.put("a.txt", "".join(f"line {n}\n" for n in range(1, 101)))
    said = await bench.said("read", path="/workspace/a.txt", offset=10, limit=2)
    assert said == "    10\tline 10\n    11\tline 11\n[lines 10 to 11 of 100 lines, 792 bytes; read on with offset 12]"


async def test_a_large_file_is_read_in_bounded_parts(bench: Bench) -> None:
    bench.put("big.txt", "0123456789abcdef\n" * 1_000_000)
    said = await bench.said("read", path="big.txt", limit=5000)
    assert len(said) < 80_000
    assert "of 1,000,000 lines, 17,000,000 bytes; read on with offset" in said


async def test_a_last_line_without_an_end_is_read(bench: Bench) -> None:
    bench.put("a.txt", "one\ntwo")
    assert await bench.said("read", path="a.txt") == "     1\tone\n     2\ttwo"


async def test_an_overlong_line_is_shortened(bench: Bench) -> None:
    bench.put("min.js", "x" * 10_000 + "\n")
    assert (await bench.said("read", path="min.js")).endswith("[8,000 characters left out]")


async def test_windows_line_ends_are_not_shown(bench: Bench) -> None:
    bench.put("a.txt", "one\r\ntwo\r\n")
    assert await bench.said("read", path="a.txt") == "     1\tone\n     2\ttwo"


async def test_text_that_is_not_utf8_is_shown_and_said(bench: Bench) -> None:
    bench.put("latin.txt", "café\n".encode("latin-1"))
    said = await bench.said("read", path="latin.txt")
    assert said.startswith("     1\tcaf\ufffd\n[not UTF-8")


async def test_a_cut_within_a_character_is_no_damage(bench: Bench) -> None:
    bench.put("a.txt", "é" * 40_000)
    assert "not UTF-8" not in await bench.said("read", path="a.txt")


async def test_what_cannot_be_read_is_said(bench: Bench) -> None:
    bench.put("empty", "")
    bench.put("binary", b"\x7fELF\0\0\1")
    bench.put("short", "one\n")
    (bench.workspace / "dir").mkdir()
    os.mkfifo(bench.workspace / "fifo")
    assert await bench.said("read", path="empty") == "empty is empty."
    assert "binary file of 7 bytes" in await bench.refused("read", path="binary")
    assert "has 1 line; line 5 is beyond its end" in await bench.refused("read", path="short", offset=5)
    assert "Use `list`" in await bench.refused("read", path="dir")
    assert "not a regular file" in await bench.refused("read", path="fifo")
    assert await bench.refused("read", path="missing") == "There is no file missing."
    assert "NUL" in await bench.refused("read", path="a\0b")


async def test_a_file_closed_to_the_agent_is_said(bench: Bench) -> None:
    bench.put("closed", "secret", mode=0o000)
    assert "permission denied" in await bench.refused("read", path="closed")


@pytest.mark.parametrize("path", ["-n", "a b", "$(id)", "'; true"])
async def test_hostile_names_are_names(bench: Bench, path: str) -> None:
    bench.put(path, "content\n")
    assert await bench.said("read", path=path) == "     1\tcontent"


async def test_paths_start_from_the_working_directory(bench: Bench) -> None:
    bench.put("src/a.txt", "here\n")
    await bench.do("bash", command="cd src; cp a.txt ~/b.txt")
    assert await bench.said("read", path="a.txt") == "     1\there"
    assert await bench.said("read", path="../src/./a.txt") == "     1\there"
    assert await bench.said("read", path="~/b.txt") == "     1\there"


async def test_an_exported_path_does_not_break_the_tools(bench: Bench) -> None:
    bench.put("a.txt", "here\n")
    await bench.do("bash", command="export PATH=/nowhere")
    assert await bench.said("read", path="a.txt") == "     1\there"
