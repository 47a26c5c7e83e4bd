"""Summaries and lists of runs."""

import random

import pytest

from adapters.journal.postgres import PostgresJournal
from domain.approval import Plan, PlanStep
from domain.errors import InvalidRequest
from domain.event import (
    Event,
    LimitsRaised,
    PlanProposed,
    RepositoryResolved,
    RunEnded,
    RunStarted,
    StatusChanged,
    TurnRefused,
    VerifyEnded,
    WorkspaceOpened,
)
from domain.limits import Limits
from domain.ports.journal import RunFilter
from domain.record import NewEvent
from domain.repository import ResolvedRepository
from domain.run import RunResult
from domain.sandbox import Enforcement
from domain.snapshot import SnapshotRef
from domain.summary import summarize
from tests.adapters.journal.samples import LATER, answer, asked, returned, submission


def any_event(chance: random.Random, number: int) -> NewEvent:
    made: list[NewEvent | Event] = [
        answer(number),
        returned(f"turn/{number}/call/0", snapshot=f"s{number}", text="x" * chance.choice([5, 20_000])),
        returned(f"turn/{number}/call/1", todo=({"text": f"step {number}", "done": False},), name="todo"),
        asked(f"turn/{number}/call/0"),
        RunStarted(),
        StatusChanged(status="running", phase=chance.choice(["plan", "work", None])),
        StatusChanged(status="waiting", waiting_for="tool_approval", reason="asks", until=LATER),
        StatusChanged(status="paused", by="ada"),
        StatusChanged(status="completed"),
        TurnRefused(turn=number, reason=f"busy {number}", until=LATER),
        TurnRefused(turn=number, reason=f"still busy {number}", until=LATER),
        RunEnded(result=RunResult(status="failed", summary="no", verified=False)),
        RepositoryResolved(repository=ResolvedRepository(url="u", ref="r", commit=f"c{number}", pack="p")),
        WorkspaceOpened(
            host_id="h",
            generation=number,
            snapshot=SnapshotRef(id=f"o{number}", base="b"),
            enforcement=Enforcement(sandbox="none"),
        ),
        PlanProposed(plan=Plan(summary=f"plan {number}", steps=(PlanStep(title="do"),))),
        VerifyEnded(round=number, passed=chance.random() < 0.5),
        LimitsRaised(limits=Limits(turns=number + 1), by="ada"),
    ]
    chosen = chance.choice(made)
    return chosen if isinstance(chosen, NewEvent) else NewEvent(key=f"any/{number}", event=chosen)


@pytest.mark.parametrize("seed", range(25))
async def test_the_summary_kept_in_columns_is_the_fold_of_all_events(journal: PostgresJournal, seed: int) -> None:
    chance = random.Random(seed)
    await journal.submit(submission("r1"))
    for number in range(40):
        await journal.record("r1", [any_event(chance, number) for _ in range(chance.choice([1, 1, 3]))])
        if number % 4 == 0:
            whole = summarize("r1", await journal.read("r1"))
            kept = await journal.summary("r1")
            assert kept.model_dump() == whole.model_dump()
            [listed], _ = await journal.summaries(RunFilter(status=whole.status), 10, None)
            assert listed == kept
            waiting, _ = await journal.summaries(RunFilter(waiting_for="provider"), 10, None)
            assert len(waiting) == (whole.waiting_for == "provider")


async def test_lists_are_paged_newest_first(journal: PostgresJournal) -> None:
    for number in range(7):
        await journal.submit(submission(f"r{number}"))
    seen: list[str] = []
    cursor: str | None = None
    for expected in (3, 3, 1):
        page, cursor = await journal.summaries(RunFilter(), 3, cursor)
        assert len(page) == expected
        seen += [one.run_id for one in page]
    assert cursor is None
    assert seen == [f"r{number}" for number in reversed(range(7))]


async def test_lists_are_filtered(journal: PostgresJournal) -> None:
    await journal.submit(submission("r1", labels={"team": "web", "n": "1"}))
    await journal.submit(submission("r2", owner="bob", agent="reviewer"))
    middle = (await journal.summary("r2")).created_at

    async def found(**wanted: object) -> list[str]:
        page, _ = await journal.summaries(RunFilter.model_validate(wanted), 10, None)
        return [one.run_id for one in page]

    assert await found(owner="bob") == ["r2"]
    assert await found(agent="reviewer") == ["r2"]
    assert await found(label=("team", "web")) == ["r1"]
    assert await found(label=("team", "api")) == []
    assert await found(repository="https://example.com/a.git") == ["r2", "r1"]
    assert await found(repository="https://example.com/b.git") == []
    assert await found(status="queued") == ["r2", "r1"]
    assert await found(waiting_for="limit") == []
    assert await found(created_before=middle) == ["r1"]
    assert await found(created_after=middle) == []


@pytest.mark.parametrize("cursor", ["", "nonsense", "W10", "WzEsMl0", "é"])
async def test_a_cursor_that_is_not_ours_is_refused(journal: PostgresJournal, cursor: str) -> None:
    with pytest.raises(InvalidRequest):
        await journal.summaries(RunFilter(), 3, cursor)
    with pytest.raises(InvalidRequest):
        await journal.approvals(None, 3, cursor)
