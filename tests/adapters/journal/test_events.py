"""Recording and reading events."""

import asyncio
from pathlib import Path

import pytest

from adapters.journal.bodies import INLINE_BYTES
from adapters.journal.postgres import PostgresJournal
from domain.errors import Conflict, Fenced, NotFound
from domain.event import NoteAdded, RunStarted, RunSubmitted, ToolReturned, TurnAnswered
from domain.model import AssistantMessage, Reasoning, Usage
from domain.record import NewEvent
from domain.snapshot import SnapshotRef
from domain.workspace import WorkspaceLease
from tests.adapters.journal.samples import CALL, answer, commit, returned, started, submission

BASE = SnapshotRef(id="base", base="empty")


def note(number: int, text: str = "mind the tests") -> NewEvent:
    return NewEvent(key=f"turn/1/note/{number}", event=NoteAdded(turn=1, phase="work", text=text))


async def opened(journal: PostgresJournal, run_id: str = "r1") -> WorkspaceLease:
    await journal.submit(submission(run_id))
    lease = await journal.take_workspace(run_id, "here")
    await journal.settle_base(lease, BASE)
    return lease


async def test_a_submitted_run_is_there_at_once(journal: PostgresJournal) -> None:
    assert await journal.submit(submission("r1")) == ("r1", True)
    [first] = await journal.read("r1")
    assert (first.seq, first.key, first.run_id) == (1, "submitted", "r1")
    assert isinstance(first.event, RunSubmitted)
    assert first.event.spec.task == "Mend it"
    assert first.at.utcoffset() is not None


async def test_submitting_the_same_run_again_is_submitting_it_once(journal: PostgresJournal) -> None:
    await journal.submit(submission("r1"))
    assert await journal.submit(submission("r1")) == ("r1", False)
    with pytest.raises(Conflict):
        await journal.submit(submission("r1", task="Something else"))


async def test_an_idempotency_key_stands_for_one_run_of_its_owner(journal: PostgresJournal) -> None:
    answers = await asyncio.gather(*(journal.submit(submission(f"r{number}", key="k")) for number in range(8)))
    assert len({run_id for run_id, _ in answers}) == 1
    assert sum(is_new for _, is_new in answers) == 1
    with pytest.raises(Conflict):
        await journal.submit(submission("r20", key="k", task="Something else"))
    with pytest.raises(NotFound):
        await journal.summary("r20")
    assert await journal.submit(submission("r21", owner="bob", key="k")) == ("r21", True)


async def test_a_run_is_unstarted_until_it_is_started(journal: PostgresJournal) -> None:
    await journal.submit(submission("r1"))
    await journal.submit(submission("r2"))
    await journal.record("r2", [NewEvent(key="started", event=RunStarted())])
    assert await journal.unstarted(0.0) == ["r1"]
    assert await journal.unstarted(60.0) == []


async def test_recording_a_key_twice_is_recording_it_once(journal: PostgresJournal) -> None:
    await journal.submit(submission("r1"))
    [first] = await journal.record("r1", [answer(1, text="the first")])
    [again] = await journal.record("r1", [answer(1, text="the second")])
    assert again == first
    assert (await journal.summary("r1")).cost_usd == 0.25
    assert len(await journal.read("r1")) == 2


async def test_a_batch_answers_in_the_order_given_with_what_stands(journal: PostgresJournal) -> None:
    await journal.submit(submission("r1"))
    await journal.record("r1", [note(1, "it stands")])
    batch = [note(0), note(1, "too late"), note(2), note(0, "twice in one batch")]
    found = await journal.record("r1", batch)
    assert [(one.key, one.seq) for one in found] == [
        ("turn/1/note/0", 3),
        ("turn/1/note/1", 2),
        ("turn/1/note/2", 4),
        ("turn/1/note/0", 3),
    ]
    assert isinstance(found[1].event, NoteAdded)
    assert found[1].event.text == "it stands"
    assert found[3] == found[0]
    assert await journal.record("r1", []) == ()


async def test_numbers_have_no_gaps_when_many_write_at_once(journal: PostgresJournal) -> None:
    await journal.submit(submission("r1"))
    written = [[note(number % 30), note(number)] for number in range(60)]
    await asyncio.gather(*(journal.record("r1", batch) for batch in written))
    events = await journal.read("r1")
    assert [one.seq for one in events] == list(range(1, 62))
    assert [one.at for one in events] == sorted(one.at for one in events)


async def test_reading_goes_on_after_a_number_and_narrows_by_type(journal: PostgresJournal) -> None:
    await journal.submit(submission("r1"))
    await journal.record("r1", [note(0), answer(1), note(1), answer(2)])
    assert [one.seq for one in await journal.read("r1", after=2, limit=2)] == [3, 4]
    assert [one.seq for one in await journal.read("r1", types=["turn_answered"])] == [3, 5]
    assert list(await journal.read("r1", after=5)) == []
    found = await journal.find("r1", "turn/2")
    assert found is not None
    assert found.seq == 5
    assert await journal.find("r1", "turn/3") is None


async def test_an_unknown_run_is_not_found(journal: PostgresJournal) -> None:
    with pytest.raises(NotFound):
        await journal.record("nobody", [note(0)])
    with pytest.raises(NotFound):
        await journal.read("nobody")
    with pytest.raises(NotFound):
        await journal.summary("nobody")
    with pytest.raises(NotFound):
        await journal.take_workspace("nobody", "here")
    with pytest.raises(NotFound):
        await anext(journal.follow("nobody", 0))


async def test_large_bodies_lie_in_the_blob_store_and_come_back_whole(journal: PostgresJournal, tmp_path: Path) -> None:
    await journal.submit(submission("r1", task="x" * INLINE_BYTES))
    large = returned(text="out\0put é " * 5000)
    await journal.record("r1", [large])
    blobs = [path for path in (tmp_path / "blobs").rglob("*") if path.is_file()]
    assert len(blobs) == 2
    assert (await journal.read("r1"))[1].event == large.event
    [again] = await journal.record("r1", [returned(text="another")])
    assert again.event == large.event


async def test_what_a_provider_said_is_kept_byte_for_byte(journal: PostgresJournal) -> None:
    await journal.submit(submission("r1"))
    opaque = {"z": 1.0, "a": "\x00\u2028", "signature": "YQ==", "n": 12345678901234567890}
    blocks = (Reasoning(provider="p", text="hm\0", opaque=opaque),)
    event = TurnAnswered(
        turn=1, phase="work", message=AssistantMessage(blocks=blocks), stop="end", model="m", usage=Usage(), cost_usd=0
    )
    await journal.record("r1", [NewEvent(key="turn/1", event=event)])
    found = await journal.find("r1", "turn/1")
    assert found is not None
    assert found.event.model_dump_json() == event.model_dump_json()


async def test_a_commit_moves_the_workspace_on(journal: PostgresJournal) -> None:
    lease = await opened(journal)
    await journal.record("r1", [started(lease, "base")])
    assert await journal.attempts("r1", CALL) == (1, None)
    done = await journal.commit_call("r1", commit(lease, "base", "s1"))
    assert isinstance(done.event, ToolReturned)
    assert await journal.attempts("r1", CALL) == (1, done)
    now = await journal.lease("r1")
    assert now is not None
    assert now.snapshot == done.event.snapshot
    assert (await journal.summary("r1")).snapshot_id == "s1"


async def test_a_commit_made_twice_answers_with_what_stands(journal: PostgresJournal) -> None:
    lease = await opened(journal)
    await journal.record("r1", [started(lease, "base")])
    first = await journal.commit_call("r1", commit(lease, "base", "s1"))
    again = await journal.commit_call("r1", commit(lease, "base", "s2", text="the zombie's"))
    assert again == first
    now = await journal.lease("r1")
    assert now is not None
    assert now.snapshot is not None
    assert now.snapshot.id == "s1"


async def test_a_commit_is_fenced_off_by_generation_snapshot_and_attempt(journal: PostgresJournal) -> None:
    old = await opened(journal)
    new = await journal.take_workspace("r1", "there")
    assert (new.generation, new.snapshot, new.host_id) == (2, BASE, "there")
    with pytest.raises(Fenced):
        await journal.commit_call("r1", commit(new, "base", "s1"))
    await journal.record("r1", [started(new, "base", attempt) for attempt in range(1, 12)])
    assert await journal.attempts("r1", CALL) == (11, None)
    for refused in (
        commit(old, "base", "s1", attempt=11),
        commit(new, "other", "s1", attempt=11),
        commit(new, "base", "s1", attempt=10),
    ):
        with pytest.raises(Fenced):
            await journal.commit_call("r1", refused)
    assert len(await journal.read("r1")) == 12
    await journal.commit_call("r1", commit(new, "base", "s1", attempt=11))
    with pytest.raises(NotFound):
        await journal.commit_call("nobody", commit(new, "base", "s1"))


async def test_of_many_commits_at_once_one_wins_and_all_see_it(journal: PostgresJournal) -> None:
    lease = await opened(journal)
    await journal.record("r1", [started(lease, "base")])
    rivals = [commit(lease, "base", f"s{number}", text=str(number)) for number in range(12)]
    seen = await asyncio.gather(*(journal.commit_call("r1", rival) for rival in rivals))
    assert len({one.model_dump_json() for one in seen}) == 1
    assert len(await journal.read("r1", types=["tool_returned"])) == 1


async def test_a_base_is_settled_once_and_by_the_newest_generation_only(journal: PostgresJournal) -> None:
    await journal.submit(submission("r1"))
    assert await journal.lease("r1") is None
    first = await journal.take_workspace("r1", "here")
    assert first.snapshot is None
    assert await journal.settle_base(first, BASE) == BASE
    assert await journal.settle_base(first, SnapshotRef(id="other", base="empty")) == BASE
    second = await journal.take_workspace("r1", "here")
    assert second.snapshot == BASE
    with pytest.raises(Fenced):
        await journal.settle_base(first, BASE)


async def test_an_attempt_of_a_workspace_that_was_opened_again_does_not_begin(journal: PostgresJournal) -> None:
    await journal.submit(submission("run"))
    old = await journal.take_workspace("run", "host")
    assert await journal.start_call("run", old.generation, [started(old, "a")])
    new = await journal.take_workspace("run", "another")
    with pytest.raises(Fenced):
        await journal.start_call("run", old.generation, [started(old, "a", attempt=2)])
    assert await journal.attempts("run", CALL) == (1, None)
    assert await journal.start_call("run", new.generation, [started(new, "a", attempt=2)])
    with pytest.raises(NotFound):
        await journal.start_call("absent", 1, [started(new, "a")])
