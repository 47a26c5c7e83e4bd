from datetime import UTC, datetime, timedelta

from api.standing import limits_left, seconds_used
from domain.event import Event, RunEnded, RunStarted, StatusChanged
from domain.limits import Limits
from domain.model import Usage
from domain.record import RecordedEvent
from domain.run import RunResult, RunSpec, RunSummary

START = datetime(2026, 1, 1, tzinfo=UTC)


def told(*events: tuple[int, Event]) -> list[RecordedEvent]:
    return [
        RecordedEvent(run_id="r", seq=seq, key=f"k{seq}", at=START + timedelta(seconds=at), event=event)
        for seq, (at, event) in enumerate(events, 1)
    ]


def test_waits_for_people_are_not_counted() -> None:
    events = told(
        (10, RunStarted()),
        (20, StatusChanged(status="waiting", waiting_for="plan_approval")),
        (500, StatusChanged(status="running")),
        (530, StatusChanged(status="paused")),
        (900, StatusChanged(status="running")),
        (905, StatusChanged(status="waiting", waiting_for="provider")),
    )
    assert seconds_used(events, START + timedelta(seconds=925)) == 10 + 30 + 5 + 20


def test_an_ended_run_uses_no_more_time() -> None:
    ended = RunEnded(result=RunResult(status="completed", summary="done"))
    events = told((0, RunStarted()), (7, ended))
    assert seconds_used(events, START + timedelta(days=1)) == 7


def test_what_is_left_is_never_below_zero_and_an_open_limit_stays_open() -> None:
    run = RunSummary(
        run_id="r",
        spec=RunSpec(task="t", limits=Limits(turns=3, tokens=10, cost_usd=0.5, seconds=None)),
        model="m",
        owner="o",
        status="running",
        turn=2,
        usage=Usage(input_tokens=8, cache_read_tokens=1000, output_tokens=8),
        cost_usd=0.2,
        created_at=START,
        updated_at=START,
    )
    left = limits_left(run, [], START)
    assert (left.turns, left.tokens, left.cost_usd, left.seconds) == (1, 0, 0.3, None)
