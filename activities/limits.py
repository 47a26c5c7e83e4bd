"""What a person's word on a limit does."""

from typing import Any

from temporalio import activity

from domain.account import Account, BoundName, Raise, Refusal, TeamLimits
from domain.approval import DecideApproval
from domain.event import LimitsRaised, TeamLimitRaised
from domain.limits import Limits, raised
from domain.ports import Journal
from domain.record import NewEvent
from domain.value import Value

BOUNDS: tuple[BoundName, ...] = ("turns", "tokens", "cost_usd")
MONTHLY: dict[str, BoundName] = {"monthly_cost_usd": "cost_usd", "monthly_tokens": "tokens"}


class RaiseLimitsInput(Value):
    run_id: str
    refusal: Refusal
    limits: Limits
    """Of the run, as they stand."""
    decision: DecideApproval


class WaitingBeside(Value):
    """A run of the same tree that waits for a word which this one has had."""

    run_id: str
    approval_id: str


class RaiseLimitsResult(Value):
    limits: Limits
    beside: tuple[WaitingBeside, ...] = ()


class LimitActivities:
    def __init__(self, journal: Journal) -> None:
        self._journal = journal

    @activity.defn
    async def raise_limits(self, input: RaiseLimitsInput) -> RaiseLimitsResult:
        """As a person set them, or the one that refused doubled where they only said yes; doing it again is no more."""
        if input.refusal.scope == "team":
            await self._raise_month(input)
            return RaiseLimitsResult(limits=input.limits)
        limits = raised(input.limits, input.refusal.limit, input.decision.edited)
        wanted = _wanted(input)
        if wanted is not None and (account := await self._journal.raise_account(input.run_id, wanted)) is not None:
            limits = _in_force(limits, account)
        event = LimitsRaised(limits=limits, by=input.decision.by)
        await self._journal.record(input.run_id, [NewEvent(key=f"limits/{input.decision.approval_id}", event=event)])
        beside = await self._journal.waiting_beside(input.run_id)
        return RaiseLimitsResult(
            limits=limits,
            beside=tuple(WaitingBeside(run_id=run_id, approval_id=approval_id) for run_id, approval_id in beside),
        )

    async def _raise_month(self, input: RaiseLimitsInput) -> None:
        refusal, edited = input.refusal, input.decision.edited
        if refusal.team is None or refusal.month is None:
            raise ValueError("a team's refusal names its team and month")
        said = TeamLimits.model_validate(edited or {}).model_dump(exclude_none=True)
        wanted = Raise(bounds={MONTHLY[name]: value for name, value in said.items()}) if said else _doubled(refusal)
        month = await self._journal.raise_month(refusal.team, refusal.month, wanted)
        event = TeamLimitRaised(team=month.team, month=month.month, bounds=month.bounds, by=input.decision.by)
        await self._journal.record(input.run_id, [NewEvent(key=f"limits/{input.decision.approval_id}", event=event)])


def _wanted(input: RaiseLimitsInput) -> Raise | None:
    """None where only the run's time is meant, which no account keeps."""
    edited: dict[str, Any] = input.decision.edited or {}
    named: dict[BoundName, float | None] = {name: edited[name] for name in BOUNDS if name in edited}
    if named:
        return Raise(bounds=named, exactly=True)
    return None if edited or input.refusal.limit == "seconds" else _doubled(input.refusal)


def _doubled(refusal: Refusal) -> Raise:
    if refusal.limit == "seconds":
        raise ValueError("no account keeps time")
    most = getattr(refusal.bounds, refusal.limit)
    return Raise(bounds={refusal.limit: most * 2})


def _in_force(limits: Limits, account: Account) -> Limits:
    return limits.model_copy(update=account.bounds.model_dump())
