"""The death of a worker is the death of what it ran, at whatever moment it comes."""

import asyncio
import os
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path

import pytest

from adapters.sandboxes.bubblewrap import BubblewrapSandbox
from adapters.sandboxes.none import NoSandbox
from adapters.sandboxes.proc import all_pids, arguments_of
from tests.adapters.conformance.sandbox import said, shell
from tests.adapters.sandboxes.conftest import AGENT_UID

ROOT = Path(__file__).parents[3]


def alive(token: str, but: int = 0) -> list[int]:
    """Processes with `token` in their arguments; a child that has yet to become bwrap has its worker's."""
    found = []
    for pid in all_pids():
        try:
            words = arguments_of(pid)
        except OSError:
            continue
        if pid != but and any(token.encode() in word for word in words):
            found.append(pid)
    return found


def eventually(holds: Callable[[], bool], seconds: float = 5.0) -> bool:
    end = time.monotonic() + seconds
    while time.monotonic() < end:
        if holds():
            return True
        time.sleep(0.01)
    return False


def start(home: Path, token: str, marks: Path, kind: str = "bubblewrap") -> subprocess.Popen[bytes]:
    script = Path(__file__).with_name("one_command.py")
    process = subprocess.Popen(
        [sys.executable, str(script), kind, str(home), token, str(marks)],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        cwd=ROOT,
        env=os.environ | {"PYTHONPATH": os.pathsep.join([str(ROOT), os.environ.get("PYTHONPATH", "")])},
    )
    assert process.stdout is not None
    assert process.stdout.readline() == b"prepared\n"
    return process


def release(process: subprocess.Popen[bytes]) -> None:
    assert process.stdin is not None
    process.stdin.write(b"\n")
    process.stdin.flush()


def kill(process: subprocess.Popen[bytes]) -> None:
    process.kill()
    process.communicate()


def test_no_process_outlives_a_worker_that_is_killed(bubblewrap: BubblewrapSandbox, home: Path, folder: Path) -> None:
    token = f"3141{os.getpid()}"
    process = start(home, token, folder)
    release(process)
    assert eventually(lambda: (folder / "begun").exists() and len(alive(token, process.pid)) >= 4)
    kill(process)
    assert eventually(lambda: not alive(token))


@pytest.mark.parametrize("milliseconds", [0, 1, 2, 3, 4, 5, 6, 8, 10, 13])
def test_no_command_outlives_a_worker_that_is_killed_while_it_starts(
    bubblewrap: BubblewrapSandbox, home: Path, folder: Path, milliseconds: int
) -> None:
    token = f"2718{os.getpid()}"
    process = start(home, token, folder)
    release(process)
    time.sleep(milliseconds / 1000)
    kill(process)
    asyncio.run(BubblewrapSandbox(home, AGENT_UID).kill("survivor"))
    assert eventually(lambda: not alive(token))


async def test_kill_finds_what_another_process_of_the_home_runs(
    bubblewrap: BubblewrapSandbox, home: Path, folder: Path
) -> None:
    token = f"1618{os.getpid()}"
    process = start(home, token, folder)
    release(process)
    assert eventually(lambda: len(alive(token, process.pid)) >= 4)
    other = asyncio.create_task(said(bubblewrap, "sleep 1; echo spared", name="surviving"))
    await bubblewrap.kill("survivor")
    assert alive(token, process.pid) == []
    assert await other == "spared\n"
    kill(process)


async def test_a_call_that_is_cancelled_while_it_starts_leaves_nothing(bubblewrap: BubblewrapSandbox) -> None:
    token = f"1414{os.getpid()}"
    for n in range(30):
        task = asyncio.create_task(bubblewrap.run(shell(bubblewrap, f"sleep {token}")))
        await asyncio.sleep(n / 3000)
        task.cancel()
        with pytest.raises(asyncio.CancelledError):
            await task
        assert alive(token) == []


@pytest.mark.parametrize("worker", ["lives", "is killed"])
async def test_without_a_sandbox_kill_finds_what_another_process_of_the_home_runs(
    home: Path, folder: Path, worker: str
) -> None:
    sandbox = NoSandbox(home, AGENT_UID)
    await sandbox.prepare()
    token = f"1732{os.getpid()}"
    process = start(home, token, folder, "none")
    release(process)
    assert eventually(lambda: (folder / "begun").exists() and len(alive(token, process.pid)) >= 4)
    if worker == "is killed":
        kill(process)
    other = asyncio.create_task(said(sandbox, "sleep 1; echo spared", name="surviving"))
    await sandbox.kill("survivor")
    assert alive(token, process.pid) == []
    assert await other == "spared\n"
    if worker == "lives":
        kill(process)


async def test_without_a_sandbox_a_daemon_that_left_its_session_and_its_parent_ends_with_the_command(
    home: Path,
) -> None:
    sandbox = NoSandbox(home, AGENT_UID)
    await sandbox.prepare()
    token = f"2236{os.getpid()}"
    daemon = f"(setsid sh -c 'touch /tmp/begun; sleep {token}; true' &)"
    text = f"{daemon}; until test -e /tmp/begun; do sleep 0.05; done"
    assert await said(sandbox, text) == ""
    assert alive(token) == []


async def test_a_command_ends_with_its_first_process(bubblewrap: BubblewrapSandbox) -> None:
    token = f"5772{os.getpid()}"
    result = await bubblewrap.run(shell(bubblewrap, f"sleep {token} & kill -9 $PPID; sleep 9"))
    assert result.exit_code == 137
    assert alive(token) == []


def test_as_root_the_suite_holds_for_an_ordinary_user_too(bubblewrap: BubblewrapSandbox, home: Path) -> None:
    """With the toolchain's Python, as the one that runs this may lie where no other user can go."""
    if AGENT_UID is None:
        return
    python = next((home / "toolchain").glob("*/bin/python3"))
    places = [str(ROOT), *(path for path in sys.path if path.endswith("site-packages"))]
    environment = {
        "PATH": "/usr/bin:/bin",
        "HOME": str(home / "nobody"),
        "PYTHONPATH": os.pathsep.join(places),
        "PYTHONDONTWRITEBYTECODE": "1",
        "CI": os.environ.get("CI", ""),
    }
    result = subprocess.run(
        [str(python), "-m", "pytest", "-q", "-p", "no:cacheprovider", "-x", str(Path(__file__).parent)],
        cwd=ROOT,
        env=environment,
        user=AGENT_UID,
        group=AGENT_UID,
        extra_groups=[],
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
    )
    assert result.returncode == 0, result.stdout[-6000:]
