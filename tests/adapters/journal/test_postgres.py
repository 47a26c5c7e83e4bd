"""The journal as a whole: its port, and a database that is not there."""

import time
from pathlib import Path

import psycopg
import pytest

from adapters.blobs import ObjectBlobs
from adapters.journal.postgres import PostgresJournal
from domain.errors import StorageUnavailable
from domain.ports import Journal
from tests.adapters.journal.samples import answer, submission


async def test_it_is_the_journal_that_the_rooms_ask_for(journal: PostgresJournal) -> None:
    asked: Journal = journal
    await asked.check()


async def test_a_database_that_is_not_there_is_said_to_be_unavailable(tmp_path: Path) -> None:
    began = time.monotonic()
    with pytest.raises(StorageUnavailable) as caught:
        await PostgresJournal.connect(f"postgresql:///none?host={tmp_path}", ObjectBlobs(f"file://{tmp_path}"))
    assert time.monotonic() - began < 4
    assert "No such file" in caught.value.message
    assert caught.value.next_step


async def test_a_closed_journal_says_so(database_url: str, tmp_path: Path) -> None:
    journal = await PostgresJournal.connect(database_url, ObjectBlobs(f"file://{tmp_path}"))
    await journal.close()
    with pytest.raises(StorageUnavailable):
        await journal.check()


async def test_connections_that_the_server_ended_are_replaced_unseen(
    journal: PostgresJournal, database_url: str
) -> None:
    await journal.submit(submission("r1"))
    for turn in range(1, 4):
        async with await psycopg.AsyncConnection.connect(database_url, autocommit=True) as connection:
            await connection.execute(
                "SELECT pg_terminate_backend(pid) FROM pg_stat_activity"
                " WHERE datname = current_database() AND pid <> pg_backend_pid()"
            )
        [recorded] = await journal.record("r1", [answer(turn)])
        assert recorded.seq == turn + 1
    assert (await journal.summary("r1")).turn == 3


async def test_a_record_of_several_events_is_one_transaction(journal: PostgresJournal, database_url: str) -> None:
    await journal.submit(submission("r1"))
    await journal.record("r1", [answer(1), answer(2)])
    await journal.record("r1", [answer(3)])
    async with await psycopg.AsyncConnection.connect(database_url) as connection:
        cursor = await connection.execute(
            "SELECT array_agg(seq ORDER BY seq) FROM events GROUP BY xmin::text ORDER BY 1"
        )
        assert [row[0] for row in await cursor.fetchall()] == [[1], [2, 3], [4]]
