"""Statements on pooled connections."""

import asyncio
from collections.abc import Mapping
from typing import Any

import psycopg
from psycopg import AsyncConnection
from psycopg_pool import AsyncConnectionPool

from adapters.journal.errors import translated

Pool = AsyncConnectionPool[AsyncConnection[tuple[Any, ...]]]
Row = tuple[Any, ...]
NETWORK = {
    "connect_timeout": 5,
    # A server that went without a word is noticed after some ten seconds, not after the kernel's quarter of an hour.
    "keepalives_idle": 5,
    "keepalives_interval": 2,
    "keepalives_count": 3,
    "tcp_user_timeout": 10_000,
}
WAIT_SECONDS = 5.0
"""How long a statement waits for a connection before it is told that there is none."""
CANCELLED_SECONDS = 5.0
"""How long a statement may still take whose caller was cancelled."""


async def open_pool(dsn: str, size: int = 10) -> Pool:
    """Raises StorageUnavailable where no connection can be had."""
    pool: Pool = AsyncConnectionPool(
        dsn,
        kwargs={"autocommit": True, "application_name": "perdure", **NETWORK},
        configure=_in_utc,
        min_size=1,
        max_size=size,
        timeout=WAIT_SECONDS,
        reconnect_timeout=WAIT_SECONDS,
        open=False,
    )
    with translated():
        # The pool would only say that it waited in vain, not why.
        await (await AsyncConnection.connect(dsn, connect_timeout=5)).close()
        try:
            await pool.open(wait=True, timeout=WAIT_SECONDS)
        except BaseException:
            await pool.close()
            raise
    return pool


async def _in_utc(connection: AsyncConnection[Row]) -> None:
    await connection.execute("SET timezone TO 'UTC'")


class Connections:
    def __init__(self, pool: Pool, cancelled_seconds: float = CANCELLED_SECONDS) -> None:
        self.pool = pool
        self._cancelled_seconds = cancelled_seconds

    async def rows(self, statement: bytes, parameters: Mapping[str, object], prepare: bool = True) -> list[Row]:
        """One statement, which is its own transaction. Sent again if the connection proves dead: each is repeatable."""
        with translated():
            try:
                return await self._to_the_end(statement, parameters, prepare)
            except _Dead:
                # A server that was restarted leaves a whole pool of dead connections behind.
                await self.pool.check()
            try:
                return await self._to_the_end(statement, parameters, prepare)
            except _Dead as dead:
                raise dead.failure from None

    async def _to_the_end(self, statement: bytes, parameters: Mapping[str, object], prepare: bool) -> list[Row]:
        """A cancellation comes after the statement, as the driver now and then takes five seconds to stop one
        (psycopg issue 1335), and then closes its connection."""
        sending = asyncio.ensure_future(self._send(statement, parameters, prepare))
        try:
            return await asyncio.shield(sending)
        except asyncio.CancelledError:
            try:
                await asyncio.wait([sending], timeout=self._cancelled_seconds)
            finally:
                if not sending.cancel() and not sending.cancelled():
                    sending.exception()  # nobody is left to hear of it
            raise

    async def _send(self, statement: bytes, parameters: Mapping[str, object], prepare: bool) -> list[Row]:
        async with self.pool.connection() as connection:
            try:
                cursor = await connection.execute(statement, parameters, prepare=prepare)
                return await cursor.fetchall() if cursor.description else []
            except psycopg.OperationalError as failure:
                if connection.closed:
                    raise _Dead(failure) from failure
                raise


class _Dead(Exception):
    def __init__(self, failure: psycopg.OperationalError) -> None:
        super().__init__(str(failure))
        self.failure = failure
