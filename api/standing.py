"""How much of its limits a run has left."""

from collections.abc import Sequence
from datetime import datetime

from api.schemas.runs import LimitsView
from domain.account import Account, Amount
from domain.event import RunStarted, StatusChanged, TurnRefused
from domain.limits import Limits, Spent
from domain.record import RecordedEvent
from domain.run import RunSummary, WaitingFor

TYPES = ("run_started", "status_changed", "run_ended", "turn_refused")
"""The events that `seconds_used` is folded from."""
PEOPLE: frozenset[WaitingFor | None] = frozenset(
    ("plan_approval", "tool_approval", "publish_approval", "human_answer", "limit", "stuck", "effect_in_doubt")
)


def limits_left(
    run: RunSummary, events: Sequence[RecordedEvent], now: datetime, account: Account | None = None
) -> LimitsView:
    """`events` are those of `TYPES`; without an account no model was asked yet, and the run's own figures hold."""
    limits = run.spec.limits
    before = run.fork.spent if run.fork else Spent()
    spent = Amount(
        turns=run.turn,
        tokens=before.tokens + run.usage.counted_tokens,
        cost_usd=before.cost_usd + run.cost_usd,
    )
    if account is not None:
        limits, spent = limits.model_copy(update=account.bounds.model_dump()), account.spent
    seconds = before.seconds + seconds_used(events, now)
    return LimitsView(
        turns=None if limits.turns is None else max(0, limits.turns - spent.turns),
        tokens=None if limits.tokens is None else max(0, limits.tokens - spent.tokens),
        cost_usd=None if limits.cost_usd is None else max(0.0, round(limits.cost_usd - spent.cost_usd, 6)),
        seconds=None if limits.seconds is None else max(0.0, round(limits.seconds - seconds, 1)),
    )


def seconds_used(events: Sequence[RecordedEvent], now: datetime) -> float:
    """Time since the start, without the waits for people and for providers."""
    seconds = 0.0
    counting_since: datetime | None = None
    for recorded in events:
        if counting_since is not None:
            seconds += max(0.0, (recorded.at - counting_since).total_seconds())
        if isinstance(recorded.event, TurnRefused):
            counting_since = max(recorded.at, recorded.event.until) if counting_since is not None else None
        else:
            counting_since = recorded.at if _counts(recorded) else None
    if counting_since is not None:
        seconds += max(0.0, (now - counting_since).total_seconds())
    return seconds


def shown(limits: Limits) -> LimitsView:
    return LimitsView(turns=limits.turns, tokens=limits.tokens, cost_usd=limits.cost_usd, seconds=limits.seconds)


def _counts(recorded: RecordedEvent) -> bool:
    """Whether the time after this event is the run's own, and not a person's."""
    event = recorded.event
    if isinstance(event, StatusChanged):
        return event.status == "running" or (event.status == "waiting" and event.waiting_for not in PEOPLE)
    return isinstance(event, RunStarted)
