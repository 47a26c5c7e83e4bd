"""What a run used, by model and by moment: folds of its events."""

from collections.abc import Iterable
from datetime import datetime
from typing import Literal

from domain.event import RunEnded, RunForked, StatusChanged, ToolReturned, ToolStarted, TurnAnswered, TurnRefused
from domain.model import Usage
from domain.record import RecordedEvent
from domain.value import Value


class ModelUsage(Value):
    model: str
    turns: int = 0
    usage: Usage = Usage()
    cost_usd: float = 0.0
    seconds: float = 0.0
    """Time spent waiting for its answers."""


class Moment(Value):
    """One stretch of a run's time. `seconds` is 0 for what has no length, or has not ended."""

    kind: Literal["model", "tool", "refused", "status"]
    at: datetime
    """When it began."""
    title: str
    seconds: float = 0.0
    cost_usd: float = 0.0
    is_error: bool = False


def usage_by_model(events: Iterable[RecordedEvent]) -> dict[str, ModelUsage]:
    found: dict[str, ModelUsage] = {}
    for recorded in events:
        if isinstance(recorded.event, RunForked):
            # What came before is the parent's, and counted there.
            found.clear()
        elif isinstance(answered := recorded.event, TurnAnswered):
            before = found.get(answered.model) or ModelUsage(model=answered.model)
            found[answered.model] = ModelUsage(
                model=answered.model,
                turns=before.turns + 1,
                usage=before.usage.plus(answered.usage),
                cost_usd=before.cost_usd + answered.cost_usd,
                seconds=before.seconds + answered.seconds,
            )
    return found


def timeline(events: Iterable[RecordedEvent]) -> tuple[Moment, ...]:
    """Where the time went, in the order in which things were recorded."""
    moments: list[Moment] = []
    started: dict[str, datetime] = {}
    for recorded in events:
        if isinstance(recorded.event, RunForked):
            moments.clear()
        elif isinstance(recorded.event, ToolStarted):
            started[recorded.event.call] = recorded.at
        elif moment := _moment(recorded, started):
            moments.append(moment)
    return tuple(moments)


def _moment(recorded: RecordedEvent, started: dict[str, datetime]) -> Moment | None:
    match recorded.event:
        case TurnAnswered() as answered:
            return Moment(
                kind="model",
                at=recorded.at,
                title=f"turn {answered.turn}: {answered.model}",
                seconds=answered.seconds,
                cost_usd=answered.cost_usd,
            )
        case ToolReturned() as returned:
            return Moment(
                kind="tool",
                at=started.pop(returned.call, recorded.at),
                title=f"{returned.name}: {returned.subject}" if returned.subject else returned.name,
                seconds=returned.result.seconds,
                is_error=returned.result.is_error,
            )
        case TurnRefused() as refused:
            waited = max(0.0, (refused.until - recorded.at).total_seconds())
            return Moment(kind="refused", at=recorded.at, title=refused.reason, seconds=waited, is_error=True)
        case StatusChanged() as said:
            return Moment(kind="status", at=recorded.at, title=said.waiting_for or said.phase or said.status)
        case RunEnded() as ended:
            return Moment(kind="status", at=recorded.at, title=ended.result.status)
    return None
