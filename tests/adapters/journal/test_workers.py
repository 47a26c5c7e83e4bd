"""Signs of life of workers."""

import asyncio
from uuid import uuid4

from adapters.journal.postgres import PostgresJournal
from domain.event import StatusChanged
from domain.record import NewEvent
from tests.adapters.journal.samples import submission


async def test_the_latest_sign_of_a_queues_workers_counts(journal: PostgresJournal) -> None:
    assert await journal.workers.silence("one") is None
    async with journal.workers.signing("worker", "one"):
        while (silent := await journal.workers.silence("one")) is None:  # noqa: ASYNC110  it is found by looking
            await asyncio.sleep(0.01)
    assert silent < 60
    await asyncio.sleep(0.2)
    later = await journal.workers.silence("one")
    assert later is not None
    assert later > silent
    await journal.workers.sign("another worker", "one")
    again = await journal.workers.silence("one")
    assert again is not None
    assert again < later
    assert await journal.workers.silence("two") is None


async def test_runs_whose_host_is_silent_are_found_while_they_go_on_and_are_quiet(journal: PostgresJournal) -> None:
    quiet, lively, elsewhere = (str(uuid4()) for _ in range(3))
    for run_id, host in ((quiet, "gone"), (lively, "gone"), (elsewhere, "here")):
        await journal.submit(submission(run_id))
        running = NewEvent(key="status/run/1", event=StatusChanged(status="running"))
        await journal.take_workspace(run_id, host)
        await journal.record(run_id, [running])
    await journal.workers.sign("gone/1", "queue")
    await asyncio.sleep(0.5)
    await journal.workers.sign("here/1", "queue")
    await journal.record(lively, [NewEvent(key="status/run/2", event=StatusChanged(status="running"))])
    assert await journal.workers.stranded("queue", 0.4, 10) == {quiet: "gone"}
    assert await journal.workers.stranded("another queue", 0.4, 10) == {}
    await journal.record(quiet, [NewEvent(key="status/run/2", event=StatusChanged(status="paused"))])
    await asyncio.sleep(0.5)
    await journal.workers.sign("here/1", "queue")
    assert quiet not in await journal.workers.stranded("queue", 0.4, 10)
