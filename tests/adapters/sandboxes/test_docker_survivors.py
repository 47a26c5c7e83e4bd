"""A worker that is killed leaves nothing at the engine: the end of its connection is the end of its containers."""

import os
import subprocess
import sys
import time
from pathlib import Path

import docker
import pytest

from adapters.sandboxes.docker_owner import Owner
from tests.adapters.sandboxes.conftest import AGENT_UID
from tests.adapters.sandboxes.test_survivors import ROOT, alive, eventually, kill, release, start

KILLS = int(os.environ.get("PERDURE_TEST_KILLS") or 24)
"""The whole proof is 200; each takes a worker's start, which is a second or two."""
SOCKET = Path("/var/run/docker.sock")


@pytest.fixture
def left(docker_engine: docker.DockerClient, docker_home: Path) -> "Left":
    return Left(docker_engine, docker_home)


class Left:
    def __init__(self, engine: docker.DockerClient, home: Path) -> None:
        self._engine = engine
        self._label = f"perdure.home={Owner.label(home)}"

    def of(self, token: str) -> list[object]:
        """Containers of a run in any state, and processes of its command."""
        filters = {"label": [self._label, f"perdure.run={token}"]}
        return [*self._engine.api.containers(all=True, filters=filters), *alive(token)]


def test_a_container_dies_with_its_worker_before_any_other_starts(
    left: Left, docker_image: str, docker_home: Path, folder: Path
) -> None:
    token = f"1123{os.getpid()}"
    process = start(docker_home, token, folder, "docker")
    release(process)
    assert eventually(lambda: (folder / "begun").exists() and len(alive(token, process.pid)) >= 4)
    kill(process)
    assert eventually(lambda: not left.of(token))


@pytest.mark.timeout(1200)
@pytest.mark.parametrize("warm", ["warm", ""])
def test_nothing_is_left_after_the_next_start_whenever_a_worker_is_killed(
    left: Left, docker_image: str, docker_home: Path, folder: Path, warm: str
) -> None:
    """Within 20 ms of a start, and then all along it: a warm container takes 70 ms to begin, a new one 400."""
    before, milliseconds = "", 0
    for n in range(KILLS // 2 + 1):
        token = f"31{n:04}{os.getpid()}"
        process = start(docker_home, token, folder, "docker", *filter(None, [warm]))
        if before:
            assert left.of(before) == [], f"of a worker that was killed after {milliseconds} ms"
        release(process)
        milliseconds = n * 4 % 20 if n % 2 else n * 7 % (90 if warm else 450)
        time.sleep(milliseconds / 1000)
        kill(process)
        before = token


def test_a_worker_of_an_ordinary_user_who_may_reach_the_engine_has_the_same_walls(
    docker_image: str, docker_home: Path
) -> None:
    if AGENT_UID is None:
        return
    python = next((docker_home / "toolchain").glob("*/bin/python3"))
    environment = {
        "PATH": "/usr/bin:/bin",
        "HOME": str(docker_home / "nobody"),
        "PYTHONPATH": os.pathsep.join([str(ROOT), *(path for path in sys.path if path.endswith("site-packages"))]),
        "PYTHONDONTWRITEBYTECODE": "1",
        "CI": os.environ.get("CI", ""),
    }
    test = str(Path(__file__).with_name("test_docker.py"))
    chosen = "walls or escapes or rights or owner or writable or belong or image or left or engine or cancelled"
    result = subprocess.run(
        [str(python), "-m", "pytest", "-q", "-p", "no:cacheprovider", "-x", "-k", chosen, test],
        cwd=ROOT,
        env=environment,
        user=AGENT_UID,
        group=AGENT_UID,
        extra_groups=[SOCKET.stat().st_gid],
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
    )
    assert result.returncode == 0, result.stdout[-6000:]
