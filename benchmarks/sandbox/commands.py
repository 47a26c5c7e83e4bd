"""What one command costs in each sandbox over the same command as a bare process."""

import asyncio
import os
import statistics
import subprocess
import time
from collections.abc import Awaitable, Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

import docker
from docker.errors import DockerException

from adapters.sandboxes.bubblewrap import BubblewrapSandbox
from adapters.sandboxes.docker import DockerSandbox
from adapters.sandboxes.none import NoSandbox
from domain.ports import Sandbox
from domain.sandbox import Command

COMMAND = ("sh", "-c", "echo turn")

Action = Callable[[], Awaitable[None]]


@dataclass(frozen=True)
class Taken:
    """Milliseconds."""

    median: float
    best: float

    @classmethod
    def of(cls, seconds: Sequence[float]) -> "Taken":
        return cls(round(1000 * statistics.median(seconds), 2), round(1000 * min(seconds), 2))


class Sandboxes:
    """`walls` by name; `absent` says why Docker is not among them."""

    def __init__(self) -> None:
        self.walls: dict[str, Sandbox] = {}
        self.absent = ""
        self._docker: DockerSandbox | None = None

    async def prepare(self, home: Path, agent_uid: int | None, image: str) -> None:
        plain, bubblewrap = NoSandbox(home, agent_uid), BubblewrapSandbox(home, agent_uid)
        await plain.prepare()
        await bubblewrap.prepare()
        self.walls = {"none": plain, "bubblewrap": bubblewrap}
        self.absent = await asyncio.to_thread(why_no_docker, image)
        if not self.absent:
            self._docker = DockerSandbox(home, agent_uid, image)
            await self._docker.prepare()
            self.walls["docker, warm"] = self._docker

    async def close(self) -> None:
        if self._docker is not None:
            await self._docker.kill("")
            await self._docker.close()


def why_no_docker(image: str) -> str:
    """Empty where an engine answers and has the image."""
    try:
        client = docker.from_env()
        client.images.get(image)
        client.close()
    except DockerException as error:
        return str(error)
    return ""


async def command_costs(sandboxes: Sandboxes, rounds: int) -> dict[str, Taken]:
    """The rounds are interleaved, so that a busy moment hits all of them."""

    def sandboxed(sandbox: Sandbox) -> Action:
        command = Command(argv=COMMAND, cwd="/", environment=sandbox.environment, run_id="bench", name="bench")

        async def run() -> None:
            result = await sandbox.run(command)
            assert result.head == b"turn\n", result

        return run

    return await timed({"bare": bare, **{name: sandboxed(one) for name, one in sandboxes.walls.items()}}, rounds)


async def bare() -> None:
    """Not by asyncio: uvloop forks this process's memory map, which is dearer than what is compared."""
    environment = {"PATH": os.environ["PATH"]}
    subprocess.run(COMMAND, stdout=subprocess.PIPE, env=environment, check=True)  # noqa: ASYNC221  nothing else runs


async def timed(actions: Mapping[str, Action], rounds: int) -> dict[str, Taken]:
    taken: dict[str, list[float]] = {name: [] for name in actions}
    for action in actions.values():
        await action()
    for _ in range(rounds):
        for name, action in actions.items():
            began = time.perf_counter()
            await action()
            taken[name].append(time.perf_counter() - began)
    return {name: Taken.of(times) for name, times in taken.items()}
