"""Signs of life of workers."""

import asyncio
import contextlib
from collections.abc import AsyncGenerator

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

    async def _say(self, worker: str, task_queue: str) -> None:
        while True:
            with contextlib.suppress(PerdureError):
                await self.sign(worker, task_queue)
            await asyncio.sleep(SIGN_SECONDS)
