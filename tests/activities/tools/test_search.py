from tests.activities.tools.conftest import Bench


async def git(bench: Bench) -> None:
    await bench.do("bash", command="git init -q . && git add -A")


async def test_matches_come_with_path_and_line(bench: Bench) -> None:
    bench.put("a.py", "import os\ndef find():\n    pass\n")
    bench.put("b/c.py", "# def find\n")
    assert sorted((await bench.said("search", pattern=r"def\s+\w+")).splitlines()) == [
        "a.py:2:def find():",
        "b/c.py:1:# def find",
    ]


async def test_the_repository_says_what_is_ignored(bench: Bench) -> None:
    bench.put(".gitignore", "build/\n")
    bench.put("build/out.py", "needle\n")
    bench.put("src/in.py", "needle\n")
    await git(bench)
    bench.put("new.py", "needle\n")
    assert sorted((await bench.said("search", pattern="needle")).splitlines()) == [
        "new.py:1:needle",
        "src/in.py:1:needle",
    ]
    assert await bench.said("search", pattern="needle", path="build/out.py") == "build/out.py:1:needle"


async def test_a_glob_narrows_with_git_and_without(bench: Bench) -> None:
    for name in ("a.py", "a.md", "src/x/b.py", "src/b.ts"):
        bench.put(name, "needle\n")
    for _ in range(2):
        assert sorted((await bench.said("search", pattern="needle", glob="*.py")).splitlines()) == [
            "a.py:1:needle",
            "src/x/b.py:1:needle",
        ]
        assert await bench.said("search", pattern="needle", glob="src/**/*.ts") == "src/b.ts:1:needle"
        await git(bench)


async def test_paths_are_those_that_the_model_would_write(bench: Bench) -> None:
    bench.put("src/x/b.py", "needle\n")
    assert await bench.said("search", pattern="needle", path="src") == "src/x/b.py:1:needle"
    assert await bench.said("search", pattern="needle", path="/workspace/src/") == "/workspace/src/x/b.py:1:needle"
    await bench.do("bash", command="cd src")
    assert await bench.said("search", pattern="needle") == "x/b.py:1:needle"


async def test_binary_files_are_left_out_and_other_encodings_are_not(bench: Bench) -> None:
    bench.put("binary", b"needle\0\n")
    bench.put("latin.txt", "needle café\n".encode("latin-1"))
    assert await bench.said("search", pattern="needle") == "latin.txt:1:needle caf\ufffd"


async def test_many_matches_are_cut(bench: Bench) -> None:
    bench.put("a.txt", "needle\n" * 1000)
    said = await bench.said("search", pattern="needle")
    assert said.count("needle") == 200
    assert said.endswith("[more than 200 matches; narrow the pattern, the path or the glob]")


async def test_no_match_says_so(bench: Bench) -> None:
    bench.put("a.txt", "hay\n")
    assert await bench.said("search", pattern="needle") == "No match."
    assert await bench.said("search", pattern="-e hay") == "No match."


async def test_what_is_wrong_is_said(bench: Bench) -> None:
    assert "The pattern is wrong" in await bench.refused("search", pattern="(open")
    assert await bench.refused("search", pattern="x", path="nowhere") == "There is no file nowhere."
    assert "line break" in await bench.refused("search", pattern="a\nb")
