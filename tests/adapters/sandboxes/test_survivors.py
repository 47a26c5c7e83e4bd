"""The death of a worker is the death of what it ran, at whatever moment it comes."""

import asyncio
import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path

import docker
import pytest

from adapters.sandboxes.bubblewrap import BubblewrapSandbox
from adapters.sandboxes.delegation import find_cgroups
from adapters.sandboxes.docker import DockerSandbox
from adapters.sandboxes.docker_owner import Owner
from adapters.sandboxes.namespaces import tied
from adapters.sandboxes.none import NoSandbox
from adapters.sandboxes.proc import all_pids, arguments_of
from domain.errors import SandboxUnavailable
from tests.adapters.conformance.sandbox import said, shell
from tests.adapters.sandboxes.conftest import AGENT_UID

ROOT = Path(__file__).parents[3]
WITHOUT_DOCKER = ("-k", "not docker and not Docker")
"""Who may reach the engine's socket is no ordinary user; test_docker_survivors.py tries one who may."""
KILLS, LATEST_SECONDS, GONE_SECONDS = 200, 0.02, 0.5


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


def start(home: Path, token: str, marks: Path, kind: str = "bubblewrap", *more: str) -> subprocess.Popen[bytes]:
    script = Path(__file__).with_name("one_command.py")
    process = subprocess.Popen(
        [sys.executable, str(script), kind, str(home), token, str(marks), *more],
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


def kill_many(
    kind: str,
    home: Path,
    token: str,
    marks: Path,
    image: str = "",
    seconds: float = GONE_SECONDS,
    *,
    at_go: bool = False,
) -> list[int]:
    """Starts 200 workers one after the other and kills each 0 to 20 ms after it started a command, or in the moment in
    which it lets it go. Answers how many processes were still there `seconds` later, for each kill where there were
    any."""
    script = str(Path(__file__).with_name("many_workers.py"))
    left: list[int] = []
    with subprocess.Popen(
        [sys.executable, script, kind, str(home), token, str(marks), image, *(["at-go"] if at_go else [])],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        cwd=ROOT,
        env=os.environ | {"PYTHONPATH": os.pathsep.join([str(ROOT), os.environ.get("PYTHONPATH", "")])},
    ) as process:
        assert process.stdin is not None and process.stdout is not None
        for n in range(KILLS):
            process.stdin.write(b"\n")
            process.stdin.flush()
            pid = int(process.stdout.readline())
            os.kill(pid, signal.SIGUSR1)
            assert process.stdout.readline() == b".\n"
            if not at_go:
                time.sleep(n / KILLS * LATEST_SECONDS)
                os.kill(pid, signal.SIGKILL)
            if not eventually(lambda: not alive(token, process.pid), seconds):
                left.append(len(alive(token, process.pid)))
    return left


def test_nothing_at_all_outlives_200_workers_that_are_killed_while_a_command_starts(
    bubblewrap: BubblewrapSandbox, home: Path, folder: Path
) -> None:
    token = f"2718{os.getpid()}"
    assert kill_many("bubblewrap", home, token, folder) == []
    asyncio.run(BubblewrapSandbox(home, AGENT_UID).kill("many-"))
    assert alive(token) == []
    cgroups = find_cgroups(home)
    assert cgroups is None or cgroups.left("many-") == []


def test_nothing_outlives_200_workers_that_die_as_they_let_a_command_go(
    bubblewrap: BubblewrapSandbox, home: Path, folder: Path
) -> None:
    """bwrap starts what is in its namespace before it has tied the namespace's life to its own."""
    assert kill_many("bubblewrap", home, f"2720{os.getpid()}", folder, at_go=True) == []


def test_a_first_process_that_is_not_tied_to_the_worker_yet_is_waited_for() -> None:
    with subprocess.Popen(["sleep", "60"]) as untied:
        with pytest.raises(SandboxUnavailable, match="could not be tied"):
            asyncio.run(tied(untied.pid, 0.05))
        untied.kill()


@pytest.mark.timeout(900)
async def test_in_docker_nothing_outlives_the_next_start_after_200_such_kills(
    docker_engine: docker.DockerClient, docker_image: str, docker_home: Path, folder: Path
) -> None:
    token = f"2719{os.getpid()}"
    await asyncio.to_thread(kill_many, "docker", docker_home, token, folder, docker_image, 0.0)
    after = DockerSandbox(docker_home, AGENT_UID, docker_image)
    await after.prepare()
    await after.kill("")  # as a worker does that starts alone
    label = f"perdure.home={Owner.label(docker_home)}"
    assert await asyncio.to_thread(eventually, lambda: not alive(token), 20)
    left = docker_engine.containers.list(all=True, filters={"label": [label]})
    assert [one.labels for one in left if one.labels["perdure.command"].startswith("many-")] == []
    await after.close()


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
    result = await bubblewrap.run(shell(bubblewrap, f"sleep {token} & kill -9 $$; sleep 9"))
    assert result.exit_code == 137
    assert alive(token) == []


@pytest.mark.timeout(900)
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
        [
            str(python),
            "-m",
            "pytest",
            "-q",
            "-p",
            "no:cacheprovider",
            "-x",
            *WITHOUT_DOCKER,
            str(Path(__file__).parent),
        ],
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
