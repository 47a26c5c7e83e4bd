"""What a run used."""

from datetime import UTC, datetime, timedelta

from domain.event import Event, RunEnded, StatusChanged, ToolReturned, ToolStarted, TurnAnswered, TurnRefused
from domain.model import AssistantMessage, Usage
from domain.record import RecordedEvent
from domain.run import RunResult
from domain.tool import ToolResult
from domain.usage import ModelUsage, Moment, timeline, usage_by_model

AT = datetime(2030, 1, 1, tzinfo=UTC)


def at(minute: int) -> datetime:
    return AT + timedelta(minutes=minute)


def journal(*events: Event) -> list[RecordedEvent]:
    return [
        RecordedEvent(run_id="r", seq=minute + 1, key=str(minute), at=at(minute), event=event)
        for minute, event in enumerate(events)
    ]


def answered(turn: int, model: str) -> TurnAnswered:
    return TurnAnswered(
        turn=turn,
        phase="work",
        message=AssistantMessage(blocks=()),
        stop="end",
        model=model,
        usage=Usage(input_tokens=3),
        cost_usd=0.5,
        seconds=2.0,
    )


def test_usage_adds_up_by_model() -> None:
    found = usage_by_model(journal(answered(1, "a"), answered(2, "b"), answered(3, "a")))
    assert found["a"] == ModelUsage(model="a", turns=2, usage=Usage(input_tokens=6), cost_usd=1.0, seconds=4.0)
    assert found["b"].turns == 1


def test_the_timeline_says_where_the_time_went() -> None:
    call = "turn/1/call/0"
    started = ToolStarted(
        call=call, name="bash", tool_class="write", subject="make", attempt=1, snapshot_id="s", generation=1
    )
    result = ToolResult(text="", seconds=7.0, is_error=True)
    returned = ToolReturned(call=call, name="bash", subject="make", attempt=1, result=result)
    events = journal(
        TurnRefused(turn=1, reason="busy", until=at(1)),
        answered(1, "a"),
        started,
        returned,
        StatusChanged(status="waiting", waiting_for="limit"),
        RunEnded(result=RunResult(status="failed", summary="")),
    )
    assert timeline(events) == (
        Moment(kind="refused", at=at(0), title="busy", seconds=60.0, is_error=True),
        Moment(kind="model", at=at(1), title="turn 1: a", seconds=2.0, cost_usd=0.5),
        Moment(kind="tool", at=at(2), title="bash: make", seconds=7.0, is_error=True),
        Moment(kind="status", at=at(4), title="limit"),
        Moment(kind="status", at=at(5), title="failed"),
    )
