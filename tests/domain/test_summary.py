"""The summary of a run."""

from datetime import UTC, datetime, timedelta

import pytest

from domain.approval import Plan, PlanStep
from domain.errors import NotFound
from domain.event import (
    Event,
    LimitsRaised,
    PlanAccepted,
    PlanProposed,
    RunEnded,
    RunStarted,
    RunSubmitted,
    StatusChanged,
    ToolReturned,
    TurnAnswered,
    TurnRefused,
    VerifyEnded,
)
from domain.limits import Limits
from domain.model import AssistantMessage, Usage
from domain.record import RecordedEvent
from domain.run import RunResult, RunSpec, RunSummary
from domain.snapshot import SnapshotRef
from domain.summary import summarize
from domain.tool import ToolResult

AT = datetime(2030, 1, 1, tzinfo=UTC)
SUBMITTED = RunSubmitted(spec=RunSpec(task="t"), model="a:b", owner="ada")


def at(minute: int) -> datetime:
    return AT + timedelta(minutes=minute)


def folded(*events: Event) -> RunSummary:
    """Event n is recorded at minute n, the submission at minute 0."""
    recorded = [
        RecordedEvent(run_id="r", seq=minute + 1, key=str(minute), at=at(minute), event=event)
        for minute, event in enumerate((SUBMITTED, *events))
    ]
    return summarize("r", recorded)


def answered(turn: int) -> TurnAnswered:
    return TurnAnswered(
        turn=turn,
        phase="work",
        message=AssistantMessage(blocks=()),
        stop="end",
        model="m",
        usage=Usage(input_tokens=3, output_tokens=2),
        cost_usd=0.5,
    )


def test_a_run_that_nobody_took_up_is_queued() -> None:
    found = folded()
    assert (found.status, found.turn, found.created_at, found.updated_at) == ("queued", 0, AT, AT)


def test_a_run_without_a_submission_is_not_found() -> None:
    with pytest.raises(NotFound):
        summarize("r", [])


def test_a_wait_says_for_what_since_when_until_when_and_why() -> None:
    wait = StatusChanged(status="waiting", phase="plan", waiting_for="plan_approval", reason="read it", until=at(60))
    found = folded(RunStarted(), wait)
    assert (found.status, found.phase, found.waiting_for) == ("waiting", "plan", "plan_approval")
    assert (found.waiting_since, found.waiting_until, found.waiting_reason) == (at(2), at(60), "read it")
    after = folded(RunStarted(), wait, StatusChanged(status="running"))
    assert (after.status, after.phase, after.waiting_for, after.waiting_since) == ("running", "plan", None, None)


def test_a_refused_turn_waits_for_the_provider_until_it_is_answered() -> None:
    refusals = [TurnRefused(turn=1, reason=f"busy {number}", until=at(30 + number)) for number in range(2)]
    found = folded(RunStarted(), *refusals)
    assert (found.status, found.waiting_for) == ("waiting", "provider")
    assert (found.waiting_since, found.waiting_until, found.waiting_reason) == (at(2), at(31), "busy 1")
    after = folded(RunStarted(), *refusals, answered(1))
    assert (after.status, after.waiting_for, after.waiting_until) == ("running", None, None)


def test_a_paused_run_stays_paused_whatever_its_provider_says() -> None:
    refused = TurnRefused(turn=1, reason="busy", until=at(30))
    assert folded(RunStarted(), StatusChanged(status="paused"), refused).status == "paused"
    assert folded(RunStarted(), refused, StatusChanged(status="paused"), answered(1)).status == "paused"


def test_turns_tokens_and_money_add_up() -> None:
    found = folded(answered(1), answered(2))
    assert (found.turn, found.usage, found.cost_usd) == (2, Usage(input_tokens=6, output_tokens=4), 1.0)


def test_the_last_word_counts_for_plan_todo_snapshot_checks_and_limits() -> None:
    plans = [Plan(summary=text, steps=(PlanStep(title="do"),)) for text in ("first", "edited")]
    returned = ToolReturned(
        call="turn/1/call/0",
        name="todo",
        subject="",
        attempt=1,
        result=ToolResult(text=""),
        snapshot=SnapshotRef(id="s1", base="b"),
        todo=({"text": "step"},),
    )
    found = folded(
        PlanProposed(plan=plans[0]),
        PlanAccepted(plan=plans[1], by="ada"),
        returned,
        returned.model_copy(update={"todo": None, "snapshot": None}),
        VerifyEnded(round=1, passed=False),
        VerifyEnded(round=2, passed=True),
        LimitsRaised(limits=Limits(turns=7), by="ada"),
    )
    assert found.plan == plans[1]
    assert found.todo == ({"text": "step"},)
    assert found.snapshot_id == "s1"
    assert found.verified is True
    assert found.spec.limits.turns == 7


def test_a_run_that_goes_on_after_its_end_has_no_result_yet() -> None:
    ended = RunEnded(result=RunResult(status="completed", summary="done"))
    assert folded(ended).result == ended.result
    again = folded(ended, StatusChanged(status="running", phase="work"))
    assert (again.status, again.result) == ("running", None)
