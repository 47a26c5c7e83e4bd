"""What holds a command's processes: the container that it has for itself."""

import asyncio
import time

import docker
from docker.errors import NotFound

from adapters.sandboxes.docker_container import Container
from adapters.sandboxes.docker_engine import Engine
from adapters.sandboxes.docker_exec import KILLED, Exec

TELL_ATTEMPTS, TELL_WAIT_SECONDS = 6, 0.05


class ContainerCage:
    def __init__(self, engine: Engine, container: Container, running: Exec) -> None:
        self.out_of_memory = False
        self._engine = engine
        self._container = container
        self._exec = running
        self._since = time.time()

    async def close_in(self) -> None:
        """The container's limits hold from its start."""

    async def destroy(self) -> None:
        """A command that ended by itself took what it left with it; where that is not certain, the container goes."""
        if not self._exec.over:
            await self._container.remove()
            self._exec.code = KILLED
            return
        code = await self._exec.settled()
        if code != 0:
            self.out_of_memory = await self._out_of_memory(wait=code in (KILLED, None))
        if code in (KILLED, None):
            lost = not self.out_of_memory and not await self._engine.ask(self._runs)
            self._exec.code = None if lost else KILLED
        # A first process that was killed has cleared nothing away.
        if code in (KILLED, None) or not await self._container.empty():
            await self._container.remove()

    async def _out_of_memory(self, *, wait: bool) -> bool:
        for _ in range(TELL_ATTEMPTS if wait else 1):
            if await self._engine.ask(self._told):
                return True
            if wait:
                await asyncio.sleep(TELL_WAIT_SECONDS)
        return False

    def _runs(self, client: docker.APIClient) -> bool:
        try:
            return bool(client.inspect_container(self._container.id)["State"]["Running"])
        except NotFound:
            return False

    def _told(self, client: docker.APIClient) -> bool:
        """Whether the engine has told since the start that the kernel ended a process there for want of memory."""
        since, until = f"{self._since:.6f}", f"{time.time():.6f}"
        told = client.events(since, until, filters={"container": self._container.id, "event": "oom"})
        return any(True for _ in told)
