"""The inbox."""

import pytest

from adapters.journal.postgres import PostgresJournal
from domain.errors import InvalidRequest
from domain.event import RunEnded
from domain.record import NewEvent
from domain.run import RunResult
from tests.adapters.journal.samples import asked, decided, submission


async def test_approvals_of_all_runs_are_pending_until_they_are_decided(journal: PostgresJournal) -> None:
    for run_id in ("r1", "r2"):
        await journal.submit(submission(run_id))
        await journal.record(run_id, [asked("plan/1", text="x" * 20_000)])
    await journal.record("r1", [decided("plan/1")])
    await journal.record("r1", [asked("turn/1/call/0", command="make")])
    pending, _ = await journal.approvals("pending", 10, None)
    assert [(one.run_id, one.card.approval_id) for one in pending] == [("r1", "turn/1/call/0"), ("r2", "plan/1")]
    assert pending[1].card.subject == {"text": "x" * 20_000}
    [done], _ = await journal.approvals("decided", 10, None)
    assert done.decision is not None
    assert done.decision.by == "ada"
    assert done.decided_at is not None
    assert done.decided_at >= done.requested_at
    of_one, _ = await journal.approvals(None, 10, None, "r1")
    assert len(of_one) == 2
    with pytest.raises(InvalidRequest):
        await journal.approvals("open", 10, None)


async def test_an_approval_is_decided_once(journal: PostgresJournal) -> None:
    await journal.submit(submission("r1"))
    await journal.record("r1", [asked("plan/1"), decided("plan/1")])
    first, _ = await journal.approvals("decided", 10, None)
    await journal.record("r1", [decided("plan/1")])
    assert (await journal.approvals("decided", 10, None))[0] == first
    assert (await journal.approvals("pending", 10, None))[0] == []


async def test_what_nobody_decided_leaves_the_inbox_when_its_run_ends(journal: PostgresJournal) -> None:
    await journal.submit(submission("r1"))
    await journal.record("r1", [asked("plan/1")])
    end = RunEnded(result=RunResult(status="cancelled", summary="stopped"), by="ada")
    await journal.record("r1", [NewEvent(key="ended", event=end)])
    assert (await journal.approvals("pending", 10, None))[0] == []
    [left], _ = await journal.approvals(None, 10, None)
    assert left.decision is None


async def test_the_inbox_is_paged_newest_first(journal: PostgresJournal) -> None:
    await journal.submit(submission("r1"))
    # One transaction: all are asked at the same moment, so that only their ids tell them apart.
    await journal.record("r1", [asked(f"turn/{number}/call/0") for number in range(1, 8)])
    seen: list[str] = []
    cursor: str | None = None
    for _ in range(3):
        page, cursor = await journal.approvals("pending", 3, cursor)
        seen += [one.card.approval_id for one in page]
    assert cursor is None
    assert seen == [f"turn/{number}/call/0" for number in reversed(range(1, 8))]
