import subprocess
from pathlib import Path

from tests.activities.tools.conftest import Bench

IDENTITY = ["-c", "user.name=t", "-c", "user.email=t@localhost", "-c", "init.defaultBranch=main"]


def git(at: Path, *arguments: str) -> str:
    command = ["git", "-C", str(at), "-c", "safe.directory=*", *IDENTITY, *arguments]
    return subprocess.run(command, check=True, capture_output=True, text=True).stdout.strip()


def mirrored(bench: Bench, path: Path) -> None:
    """The workspace becomes the checkout of a commit whose objects stand in a mirror, as in a run."""
    bench.put("a.py", "x = 1\n")
    bench.put("gone.py", "x\n")
    source = path / f"{bench.run_id}-mirror"
    git(path, "init", "-q", str(source))
    (source / "a.py").write_text("x = 1\n")
    (source / "gone.py").write_text("x\n")
    git(source, "add", "-A")
    git(source, "commit", "-q", "-m", "base")
    bench.base_commit = git(source, "rev-parse", "HEAD")
    bench.mirror = source / ".git"


async def test_the_first_call_shows_the_change_and_a_checklist(bench: Bench, open_home: Path) -> None:
    mirrored(bench, open_home)
    bench.put("a.py", "x = 2\n")
    bench.put("new/b.py", "y = 1\n")
    (bench.workspace / "gone.py").unlink()
    outcome = await bench.do("finish", summary="x is 2 now")
    text = outcome.result.text
    assert not outcome.finished
    assert text.startswith("Not ended yet. This is the whole change against where the run began:")
    assert "3 files changed, 2 insertions(+), 2 deletions(-)" in text
    assert "-x = 1\n+x = 2" in text and "new/b.py" in text and "deleted file" in text
    assert "Go through this list" in text


async def test_the_second_call_ends_the_work(bench: Bench) -> None:
    bench.first_finish = False
    outcome = await bench.do("finish", summary="all done")
    assert (outcome.finished, outcome.result.text) == (True, "all done")


async def test_no_change_is_said(bench: Bench, open_home: Path) -> None:
    assert "Nothing in /workspace differs" in await bench.said("finish", summary="done")
    mirrored(bench, open_home)
    assert "Nothing in /workspace differs" in await bench.said("finish", summary="done")


async def test_an_empty_base_compares_with_nothing(bench: Bench) -> None:
    bench.put("a.py", "x = 1\n")
    assert "1 file changed, 1 insertion(+)" in await bench.said("finish", summary="done")


async def test_commits_and_a_wrecked_git_directory_do_not_hide_the_change(bench: Bench, open_home: Path) -> None:
    mirrored(bench, open_home)
    bench.put("a.py", "x = 3\n")
    await bench.do("bash", command="git init -q . && git add -A && git -c user.name=t -c user.email=t@t commit -qm x")
    await bench.do("bash", command="echo broken > .git/HEAD; export GIT_EDITOR=false")
    assert "+x = 3" in await bench.said("finish", summary="done")


async def test_a_long_diff_is_cut(bench: Bench) -> None:
    bench.put("big.txt", "a line of a new file\n" * 5000)
    text = await bench.said("finish", summary="done")
    assert len(text) < 13_000
    assert "[the rest of the diff is left out" in text


async def test_nothing_is_left_behind(bench: Bench) -> None:
    bench.put("a.py", "x\n")
    await bench.do("finish", summary="done")
    assert (
        await bench.said("bash", command="ls -A /tmp /dev/shm /workspace") == "/dev/shm:\n\n/tmp:\n\n/workspace:\na.py"
    )


async def test_a_base_that_cannot_be_had_is_said(bench: Bench) -> None:
    bench.base_commit = "1" * 40
    text = await bench.said("finish", summary="done")
    assert "The change could not be shown" in text and "Go through this list" in text
