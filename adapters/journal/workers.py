"""Signs of life of workers."""

import asyncio
import contextlib
from collections.abc import AsyncGenerator, Mapping

from adapters.journal.connections import Connections
from adapters.journal.statements import statements
from domain.errors import PerdureError

_SQL = statements("workers")
SIGN_SECONDS = 3.0


class WorkerTable:
    def __init__(self, connections: Connections) -> None:
        self._connections = connections

    @contextlib.asynccontextmanager
    async def signing(self, worker: str, task_queue: str) -> AsyncGenerator[None]:
        """For as long as it serves."""
        saying = asyncio.create_task(self._say(worker, task_queue))
        try:
            yield
        finally:
            saying.cancel()
            await asyncio.gather(saying, return_exceptions=True)

    async def sign(self, worker: str, task_queue: str) -> None:
        await self._connections.rows(_SQL["sign"], {"worker": worker, "task_queue": task_queue})

    async def silence(self, task_queue: str) -> float | None:
        """Seconds since any worker of the queue has said that it lives; None where none ever has."""
        [(seconds,)] = await self._connections.rows(_SQL["silence"], {"task_queue": task_queue})
        return None if seconds is None else float(seconds)

    async def stranded(self, task_queue: str, seconds: float, limit: int) -> Mapping[str, str]:
        """The hosts, by run, of those that go on, of which nothing was recorded for so long, and whose host's workers
        have been silent for so long."""
        known = {"task_queue": task_queue, "seconds": seconds}
        hosts = [host for (host,) in await self._connections.rows(_SQL["silent_hosts"], known)]
        if not hosts:
            return dict[str, str]()
        found = await self._connections.rows(_SQL["stranded"], {"hosts": hosts, "seconds": seconds, "limit": limit})
        return {str(run_id): str(host) for run_id, host in found}

    async def _say(self, worker: str, task_queue: str) -> None:
        while True:
            with contextlib.suppress(PerdureError):
                await self.sign(worker, task_queue)
            await asyncio.sleep(SIGN_SECONDS)
