"""Signs of life of workers."""

import asyncio

from adapters.journal.postgres import PostgresJournal


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
