"""Statements on pooled connections, and whoever waits for them and is cancelled."""

import asyncio

import pytest

from adapters.journal.connections import Connections, open_pool


async def test_a_cancelled_statement_is_finished_first_and_its_connection_stays_good(
    database_url: str,
) -> None:
    pool = await open_pool(database_url, size=1)
    try:
        connections = Connections(pool)
        (before,) = await connections.rows(b"SELECT pg_backend_pid()", {})
        await connections.rows(b"CREATE TABLE told (word text)", {})
        slow = b"WITH slept AS (SELECT pg_sleep(0.4)) INSERT INTO told SELECT 'said' FROM slept"
        telling = asyncio.create_task(connections.rows(slow, {}))
        await asyncio.sleep(0.1)
        telling.cancel()
        with pytest.raises(asyncio.CancelledError):
            await telling
        assert await connections.rows(b"SELECT word FROM told", {}) == [("said",)]
        assert await connections.rows(b"SELECT pg_backend_pid()", {}) == [before]
    finally:
        await pool.close()


async def test_a_cancelled_statement_that_takes_too_long_is_stopped(database_url: str) -> None:
    pool = await open_pool(database_url, size=1)
    try:
        connections = Connections(pool, cancelled_seconds=0.2)
        sleeping = asyncio.create_task(connections.rows(b"SELECT pg_sleep(60)", {}))
        await asyncio.sleep(0.1)
        sleeping.cancel()
        with pytest.raises(asyncio.CancelledError):
            await sleeping
        assert await connections.rows(b"SELECT 1", {}) == [(1,)]
    finally:
        await pool.close()
