"""What a command tries on the network, recorded in a real journal."""

import asyncio
from collections.abc import AsyncGenerator, Sequence
from contextlib import asynccontextmanager

import pytest

from activities.connections import RECORDED, Connections, way_out
from adapters.journal.postgres import PostgresJournal
from domain.event import ConnectionsCounted, ConnectionTried
from domain.network import AllowedHost, Connection
from domain.ports import Submission
from domain.record import RecordedEvent
from domain.run import RunSpec

CALL = "turn/1/call/0"
HOST = AllowedHost(host="a.example")


def tried(number: int) -> Connection:
    return Connection(host=f"h{number}.example", port=443, allowed=number % 2 == 0, sent_bytes=2, received_bytes=3)


@pytest.fixture
async def run_id(journal: PostgresJournal) -> str:
    run_id = "run-of-connections"
    await journal.submit(Submission(run_id=run_id, spec=RunSpec(task="t"), model="scripted:x", owner="o"))
    return run_id


async def recorded(journal: PostgresJournal, run_id: str) -> Sequence[RecordedEvent]:
    return await journal.read(run_id, types=("connection_tried", "connections_counted"))


async def test_every_connection_is_an_event_once_the_command_is_over(journal: PostgresJournal, run_id: str) -> None:
    connections = Connections(journal, run_id, CALL, 2)
    async with connections.recording():
        connections.take(tried(0))
        connections.take(tried(1))
    events = await recorded(journal, run_id)
    assert [one.key for one in events] == [f"connection/{CALL}/2/0", f"connection/{CALL}/2/1"]
    assert [one.event for one in events] == [
        ConnectionTried(call=CALL, attempt=2, connection=tried(number)) for number in (0, 1)
    ]


async def test_what_was_tried_is_recorded_while_the_command_runs(journal: PostgresJournal, run_id: str) -> None:
    connections = Connections(journal, run_id, CALL, 1)
    async with connections.recording():
        connections.take(tried(0))
        async with asyncio.timeout(10):
            while not await recorded(journal, run_id):  # noqa: ASYNC110  the journal is looked at, as anybody would
                await asyncio.sleep(0.1)
        connections.take(tried(1))
    assert len(await recorded(journal, run_id)) == 2


async def test_a_flood_of_connections_is_counted_and_not_recorded_one_by_one(
    journal: PostgresJournal, run_id: str
) -> None:
    connections = Connections(journal, run_id, CALL, 1)
    async with connections.recording():
        for number in range(100_000):
            connections.take(tried(number))
    *events, last = await recorded(journal, run_id)
    assert len(events) == RECORDED
    rest = 100_000 - RECORDED
    assert last.key == f"connection/{CALL}/1/rest"
    assert last.event == ConnectionsCounted(
        call=CALL, attempt=1, allowed=rest // 2, refused=rest // 2, sent_bytes=2 * rest, received_bytes=3 * rest
    )


async def test_what_was_tried_is_recorded_where_the_command_fails_too(journal: PostgresJournal, run_id: str) -> None:
    connections = Connections(journal, run_id, CALL, 1)

    async def failing() -> None:
        async with connections.recording():
            connections.take(tried(0))
            raise ZeroDivisionError

    with pytest.raises(ZeroDivisionError):
        await failing()
    assert len(await recorded(journal, run_id)) == 1


class Door:
    """A way out that says what it was opened for."""

    def __init__(self) -> None:
        self.opened: list[Sequence[AllowedHost]] = []

    @asynccontextmanager
    async def open(self, hosts: Sequence[AllowedHost], on_connection: object) -> AsyncGenerator[str]:
        self.opened.append(hosts)
        yield "a socket"


async def test_without_hosts_there_is_no_way_out_at_all(journal: PostgresJournal, run_id: str) -> None:
    door = Door()
    async with way_out(door, (), Connections(journal, run_id, CALL, 1)) as path:
        assert path is None
    assert door.opened == []
    async with way_out(door, (HOST,), Connections(journal, run_id, CALL, 1)) as path:
        assert path == "a socket"
    assert door.opened == [(HOST,)]
