"""Following a run as it happens."""

import asyncio
import os
import signal
from collections.abc import AsyncIterator
from pathlib import Path

from adapters.blobs import ObjectBlobs
from adapters.embedded.postgres import EmbeddedPostgres
from adapters.journal.migrate import migrate
from adapters.journal.postgres import PostgresJournal
from domain.event import NoteAdded, RunEnded
from domain.record import LiveDelta, NewEvent, RecordedEvent
from domain.run import RunResult
from tests.adapters.journal.samples import submission

END = NewEvent(key="ended", event=RunEnded(result=RunResult(status="completed", summary="done")))


def note(number: int) -> NewEvent:
    return NewEvent(key=f"turn/1/note/{number}", event=NoteAdded(turn=1, phase="work", text=str(number)))


async def collect(stream: AsyncIterator[RecordedEvent | LiveDelta]) -> list[int]:
    return [one.seq async for one in stream if isinstance(one, RecordedEvent)]


async def test_followers_see_every_event_once_and_in_order_until_the_run_ends(journal: PostgresJournal) -> None:
    await journal.submit(submission("r1"))
    await journal.submit(submission("r2"))
    followers = [asyncio.create_task(collect(journal.follow("r1", after))) for after in (0, 0, 3)]
    for number in range(30):
        await journal.record("r1", [note(number)])
        await journal.record("r2", [note(number)])
    await journal.record("r1", [END])
    async with asyncio.timeout(20):
        whole, again, rest = await asyncio.gather(*followers)
    assert whole == again == list(range(1, 33))
    assert rest == list(range(4, 33))


async def test_a_run_that_has_ended_is_read_to_its_end(journal: PostgresJournal) -> None:
    await journal.submit(submission("r1"))
    await journal.record("r1", [note(number) for number in range(700)])
    await journal.record("r1", [END])
    async with asyncio.timeout(20):
        assert await collect(journal.follow("r1", 0)) == list(range(1, 703))
        assert await collect(journal.follow("r1", 702)) == []


async def test_an_event_reaches_its_reader_at_once(journal: PostgresJournal) -> None:
    await journal.submit(submission("r1"))
    stream = journal.follow("r1", 0)
    await anext(stream)
    waiting = asyncio.ensure_future(anext(stream))
    await asyncio.sleep(0.3)
    began = asyncio.get_running_loop().time()
    await journal.record("r1", [note(0)])
    await waiting
    assert asyncio.get_running_loop().time() - began < 1.0


async def test_live_text_reaches_who_follows_whole_and_only_of_that_run(journal: PostgresJournal) -> None:
    await journal.submit(submission("r1"))
    text = "\0\x01é\U0001f600" * 3000
    stream = journal.follow("r1", 1)

    async def listen() -> str:
        heard = ""
        async for one in stream:
            assert isinstance(one, LiveDelta)
            assert (one.run_id, one.turn, one.attempt, one.kind) == ("r1", 1, 2, "text")
            heard += one.text
            if len(heard) == len(text):
                return heard
        return heard

    listening = asyncio.create_task(listen())
    await asyncio.sleep(0.5)
    await journal.send_live(LiveDelta(run_id="r2", turn=1, attempt=1, kind="text", text="not for us"))
    await journal.send_live(LiveDelta(run_id="r1", turn=1, attempt=2, kind="text", text=text))
    async with asyncio.timeout(20):
        assert await listening == text


async def test_a_reset_without_text_is_announced(journal: PostgresJournal) -> None:
    await journal.submit(submission("r1"))
    waiting = asyncio.ensure_future(anext(journal.follow("r1", 1)))
    await asyncio.sleep(0.5)
    await journal.send_live(LiveDelta(run_id="r1", turn=1, attempt=1, kind="reset"))
    async with asyncio.timeout(20):
        assert await waiting == LiveDelta(run_id="r1", turn=1, attempt=1, kind="reset")


async def test_following_and_recording_outlive_the_database(open_directory: Path, tmp_path: Path) -> None:
    server = EmbeddedPostgres(open_directory / "mortal")
    dsn = await server.start()
    await migrate(dsn)
    journal = await PostgresJournal.connect(dsn, ObjectBlobs(f"file://{tmp_path}"))
    await journal.submit(submission("r1"))
    following = asyncio.create_task(collect(journal.follow("r1", 0)))
    await asyncio.gather(*(journal.record("r1", [note(number)]) for number in range(20)))
    assert server.pid is not None
    os.kill(server.pid, signal.SIGKILL)
    await server.wait()
    await server.start()
    # Connections of before are dead; the first statement afterwards must not be told so.
    await asyncio.gather(*(journal.record("r1", [note(number)]) for number in range(15, 30)))
    await journal.record("r1", [END])
    async with asyncio.timeout(30):
        assert await following == list(range(1, 33))
    await journal.close()
    await server.stop()
