"""Forks in the journal: what is taken over, and who wins a race."""

import asyncio
from collections.abc import Sequence

import pytest

from adapters.journal.postgres import PostgresJournal
from domain.approval import Plan, PlanStep
from domain.errors import NotFound
from domain.event import (
    EffectDone,
    MessageReceived,
    PlanProposed,
    RepositoryResolved,
    RunForked,
    RunStarted,
    StatusChanged,
    VerifyEnded,
)
from domain.limits import Limits, Spent
from domain.ports import Forking, Submission
from domain.record import NewEvent
from domain.repository import ResolvedRepository
from domain.run import Fork
from domain.snapshot import SnapshotRef
from domain.summary import summarize
from tests.adapters.journal.samples import answer, asked, decided, returned, submission

FOUND = ResolvedRepository(url="u", ref="main", commit="c", pack="p")
PLAN = Plan(summary="Mend it", steps=(PlanStep(title="look"),))
SAID = MessageReceived(message_id="hint", turn=2, phase="work", text="Mind the gap.", by="ada")
WORK: Sequence[NewEvent] = (
    NewEvent(key="started", event=RunStarted()),
    NewEvent(key="repository", event=RepositoryResolved(repository=FOUND)),
    NewEvent(key="status/1", event=StatusChanged(status="running", phase="work")),
    answer(1),
    NewEvent(key="plan/1", event=PlanProposed(plan=PLAN)),
    asked("turn/1/call/0"),
    decided("turn/1/call/0"),
    returned("turn/1/call/0", snapshot="s1", todo=({"text": "look"},), text="x" * 20_000),
    NewEvent(key="message/hint", event=SAID),
    answer(2),
    returned("turn/2/call/0", snapshot="s2"),
    returned("verify/1/call/0", snapshot="s2"),
    NewEvent(key="verify/1", event=VerifyEnded(round=1, passed=True)),
    NewEvent(key="effect/push/done", event=EffectDone(effect="push", key="effect/push", target="b", receipt={})),
    answer(3),
)


def forked(run_id: str, upto: int, race: str | None = None, replaces: bool = False) -> Submission:
    fork = Fork(
        parent="r1",
        at="turn/2",
        root="r1",
        turn=2,
        phase="work",
        finished=False,
        spent=Spent(turns=2, tokens=28, cost_usd=0.5),
        snapshot_id="s2",
        race=race,
        replaces=replaces,
    )
    forking = Forking(
        fork=fork,
        upto=upto,
        answered=2,
        snapshot=SnapshotRef(id="s2", base="empty", pack="p"),
        marks={"repository": "repository", "plan": "plan/1", "todo": "turn/1/call/0/returned"},
        events=(NewEvent(key="forked", event=RunForked(fork=fork)),),
    )
    return submission(run_id, limits=Limits(turns=7)).model_copy(update={"forking": forking, "account": race})


async def parent(journal: PostgresJournal) -> int:
    """The seq of the last call that belongs to turn 2."""
    await journal.submit(submission("r1"))
    recorded = await journal.record("r1", WORK)
    return next(one.seq for one in recorded if one.key == "turn/2/call/0/returned")


async def test_the_conversation_and_where_the_files_come_from_are_taken_over_and_nothing_else(
    journal: PostgresJournal,
) -> None:
    upto = await parent(journal)
    assert await journal.submit(forked("r2", upto)) == ("r2", True)
    events = await journal.read("r2")
    assert [one.key for one in events] == [
        "submitted",
        "repository",
        "turn/1",
        "plan/1",
        "turn/1/call/0/returned",
        "message/forked/6",
        "turn/2",
        "turn/2/call/0/returned",
        "forked",
    ]
    theirs = {one.key: one for one in await journal.read("r1")}
    for one in events[1:-1]:
        of_parent = theirs[one.key.replace("message/forked/6", "message/hint")]
        assert (one.at, one.event) == (of_parent.at, of_parent.event)
    assert await journal.approvals(None, 10, None, "r2") == ([], None)
    lease = await journal.take_workspace("r2", "h")
    assert lease.generation == 1
    assert lease.snapshot is not None
    assert lease.snapshot.id == "s2"


async def test_the_summary_of_a_fork_is_the_fold_of_its_events_and_its_account_has_what_was_spent(
    journal: PostgresJournal,
) -> None:
    await journal.submit(forked("r2", await parent(journal)))
    for more in ((), (answer(3), returned("turn/3/call/0", snapshot="s3"))):
        await journal.record("r2", more)
        kept = await journal.summary("r2")
        assert kept.model_dump() == summarize("r2", await journal.read("r2")).model_dump()
    assert (kept.turn, kept.cost_usd, kept.base_commit, kept.plan) == (3, 0.25, "c", PLAN)
    account = await journal.account("r2")
    assert account is not None
    assert (account.bounds.turns, account.spent.turns, account.spent.tokens) == (7, 2, 28)


async def test_a_message_of_the_parents_does_not_swallow_one_of_the_same_name(journal: PostgresJournal) -> None:
    await journal.submit(forked("r2", await parent(journal)))
    said = SAID.model_copy(update={"text": "Something else."})
    (recorded,) = await journal.record("r2", [NewEvent(key="message/hint", event=said)])
    assert recorded.event == said


async def test_a_fork_of_a_run_that_is_not_there_is_refused_and_leaves_nothing(journal: PostgresJournal) -> None:
    with pytest.raises(NotFound):
        await journal.submit(forked("r2", 5))
    with pytest.raises(NotFound):
        await journal.summary("r2")


async def test_a_rewind_is_recorded_in_the_parent_with_the_fork(journal: PostgresJournal) -> None:
    upto = await parent(journal)
    await journal.submit(forked("r2", upto, replaces=True))
    await journal.submit(forked("r2", upto, replaces=True))
    assert (await journal.summary("r1")).superseded_by == "r2"
    assert [one.key for one in await journal.read("r1", types=("run_superseded",))] == ["superseded/r2"]


async def test_of_many_who_claim_a_race_at_once_one_wins(journal: PostgresJournal) -> None:
    upto = await parent(journal)
    ids = [f"f{number}" for number in range(8)]
    for run_id in ids:
        await journal.submit(forked(run_id, upto, race="x"))
    assert (await journal.race("x", "f0", claims=False)).winner is None
    standings = await asyncio.gather(*(journal.race("x", run_id, claims=True) for run_id in ids))
    (winner,) = {one.winner for one in standings}
    assert winner in ids
    assert standings[3].rivals == tuple(one for one in ids if one != "f3")
    account = await journal.account("f1")
    assert account is not None
    assert (account.account_id, account.spent.turns) == ("x", 2)
