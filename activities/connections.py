"""The way out of one attempt's sandbox: a proxy to the hosts of its run, and a record of every connection."""

import asyncio
import logging
from collections.abc import AsyncGenerator, Sequence
from contextlib import asynccontextmanager

from domain.errors import WorldError
from domain.event import ConnectionsCounted, ConnectionTried
from domain.network import AllowedHost, Connection
from domain.ports import Egress, Journal
from domain.record import NewEvent

RECORDED = 200
"""Connections of one attempt that are recorded one by one; the rest is counted."""
BATCH_SECONDS = 1.0

logger = logging.getLogger("perdure.connections")


class Connections:
    """Records what it is told of soon, and all of it by the end of `recording`."""

    def __init__(self, journal: Journal, run_id: str, call: str, attempt: int) -> None:
        self._journal = journal
        self._run_id = run_id
        self._call = call
        self._attempt = attempt
        self._taken = 0
        self._waiting: list[NewEvent] = []
        self._rest = ConnectionsCounted(
            call=call, attempt=attempt, allowed=0, refused=0, sent_bytes=0, received_bytes=0
        )

    def take(self, connection: Connection) -> None:
        if self._taken < RECORDED:
            tried = ConnectionTried(call=self._call, attempt=self._attempt, connection=connection)
            self._waiting.append(NewEvent(key=self._key(str(self._taken)), event=tried))
            self._taken += 1
            return
        counted = {
            "allowed": self._rest.allowed + connection.allowed,
            "refused": self._rest.refused + (not connection.allowed),
            "sent_bytes": self._rest.sent_bytes + connection.sent_bytes,
            "received_bytes": self._rest.received_bytes + connection.received_bytes,
        }
        self._rest = self._rest.model_copy(update=counted)

    def _key(self, last: str) -> str:
        return f"connection/{self._call}/{self._attempt}/{last}"

    @asynccontextmanager
    async def recording(self) -> AsyncGenerator[None]:
        """In batches while a command runs: a worker that dies has lost a second's worth. Raises StorageUnavailable."""
        over = asyncio.Event()
        batches = asyncio.create_task(self._batches(over))
        try:
            yield
        finally:
            # Not by cancelling: a statement under way would take that for a failure of its own, and be tried again.
            over.set()
            await batches
            if self._rest.allowed or self._rest.refused:
                self._waiting.append(NewEvent(key=self._key("rest"), event=self._rest))
            await self._record()

    async def _batches(self, over: asyncio.Event) -> None:
        while not over.is_set():
            try:
                async with asyncio.timeout(BATCH_SECONDS):
                    await over.wait()
            except TimeoutError:
                try:
                    await self._record()
                except WorldError as error:
                    logger.warning("connections are recorded later: %s", error.message)

    async def _record(self) -> None:
        batch = list(self._waiting)
        if batch:
            await self._journal.record(self._run_id, batch)
            del self._waiting[: len(batch)]


@asynccontextmanager
async def way_out(egress: Egress, hosts: Sequence[AllowedHost], connections: Connections) -> AsyncGenerator[str | None]:
    """The proxy's socket (`Command.proxy`), open to `hosts`; None, and no proxy, where there are none."""
    if not hosts:
        yield None
        return
    async with connections.recording(), egress.open(hosts, connections.take) as path:
        yield path
