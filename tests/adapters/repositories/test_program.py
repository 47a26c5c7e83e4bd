import asyncio
import os
from pathlib import Path

import pytest

from adapters.repositories.program import MAX_OUTPUT_BYTES, GitCall, run_git
from tests.fixtures.git_server import git


def alive(marker: str) -> list[str]:
    """Processes whose command line has `marker` in it."""
    found = []
    for entry in Path("/proc").iterdir():
        try:
            line = (entry / "cmdline").read_bytes().decode(errors="replace") if entry.name.isdigit() else ""
        except OSError:
            continue
        if marker in line and int(entry.name) != os.getpid():
            found.append(line)
    return found


def waiting_push(place: Path, seconds: float) -> GitCall:
    """A git whose child sleeps."""
    (place / "bare").mkdir()
    git(place / "bare", "init", "--quiet", "--bare")
    sleep = f"--upload-pack=sleep 77.{place.name.encode().hex()[:12]}9;"
    return GitCall(["ls-remote", sleep, str(place)], place / "bare", protocol="file", timeout_seconds=seconds)


async def test_git_answers_with_code_output_and_error(source: Path) -> None:
    good = await run_git(GitCall(["rev-parse", "main"], source / ".git"))
    bad = await run_git(GitCall(["rev-parse", "absent"], source / ".git"))
    assert (good.ok, good.output.decode().strip()) == (True, git(source, "rev-parse", "main"))
    assert not bad.ok
    assert "absent" in bad.error


async def test_a_git_that_takes_too_long_is_killed_with_its_children(place: Path) -> None:
    call = waiting_push(place, 0.3)
    result = await run_git(call)
    assert (result.ok, "0 seconds" in result.ended) == (False, True)
    assert not alive(call.arguments[1].split()[1].rstrip(";"))


async def test_a_cancelled_git_dies_with_its_children(place: Path) -> None:
    call = waiting_push(place, 60)
    marker = call.arguments[1].split()[1].rstrip(";")
    task = asyncio.create_task(run_git(call))
    for _ in range(500):
        if alive(f"sleep\0{marker}"):
            break
        await asyncio.sleep(0.02)
    assert alive(marker)
    task.cancel()
    with pytest.raises(asyncio.CancelledError):
        await task
    for _ in range(50):
        if not alive(marker):
            break
        await asyncio.sleep(0.02)
    assert not alive(marker)


async def test_a_git_that_prints_too_much_is_stopped(source: Path) -> None:
    big = source / "big"
    with big.open("wb") as file:
        file.truncate(MAX_OUTPUT_BYTES + 1024)
    one = git(source, "hash-object", "-w", "big")
    result = await run_git(GitCall(["cat-file", "blob", one], source / ".git"))
    assert (result.ok, "MiB" in result.ended) == (False, True)


async def test_what_git_says_is_printable_bounded_and_without_secrets(source: Path) -> None:
    asked = "s3cret\x1b[31m\u202e" + "x" * 30_000
    result = await run_git(GitCall(["rev-parse", asked], source / ".git", secrets=("s3cret",)))
    assert "s3cret" not in result.error
    assert "\x1b" not in result.error
    assert len(result.error) <= 16 * 1024


async def test_git_speaks_no_protocol_but_the_one_it_is_given(source: Path) -> None:
    refused = await run_git(GitCall(["ls-remote", str(source)]))
    allowed = await run_git(
        GitCall(
            ["ls-remote", f"--upload-pack=git -c safe.directory={source}/.git upload-pack", str(source)],
            protocol="file",
        )
    )
    assert "not allowed" in refused.error
    assert allowed.ok
