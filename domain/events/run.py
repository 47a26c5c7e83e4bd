"""A run begins, ends, and stands in between."""

from datetime import date, datetime
from typing import Literal

from domain.account import Bounds
from domain.child import ChildOf
from domain.limits import Limits
from domain.run import Fork, Phase, RunResult, RunSpec, RunStatus, WaitingFor
from domain.value import Value


class RunSubmitted(Value):
    type: Literal["run_submitted"] = "run_submitted"
    spec: RunSpec
    model: str
    """Resolved: `provider:model`."""
    fallback_models: tuple[str, ...] = ()
    """Resolved: who answers in its stead, in this order."""
    owner: str


class RunStarted(Value):
    type: Literal["run_started"] = "run_started"


class RunEnded(Value):
    type: Literal["run_ended"] = "run_ended"
    result: RunResult
    by: str = ""
    """Who cancelled it."""


class StatusChanged(Value):
    """`until` is when a wait ends by itself, where that is known."""

    type: Literal["status_changed"] = "status_changed"
    status: RunStatus
    phase: Phase | None = None
    waiting_for: WaitingFor | None = None
    reason: str = ""
    until: datetime | None = None
    by: str = ""


class LimitsRaised(Value):
    type: Literal["limits_raised"] = "limits_raised"
    limits: Limits
    by: str


class RunForked(Value):
    """All before this event was taken over from the parent; its keys and times are the parent's."""

    type: Literal["run_forked"] = "run_forked"
    fork: Fork


class RunDelegated(Value):
    """It is a child; all before this event, but for its submission, was taken over from the parent."""

    type: Literal["run_delegated"] = "run_delegated"
    child: ChildOf


class RunSuperseded(Value):
    """The run was rewound: `by` goes on in its place."""

    type: Literal["run_superseded"] = "run_superseded"
    by: str
    at: str


class RaceWon(Value):
    """The first of its race whose checks passed: it is kept, the others are cancelled."""

    type: Literal["race_won"] = "race_won"
    race: str


class TeamLimitRaised(Value):
    """For the one month; `bounds` are what an admin has said so far."""

    type: Literal["team_limit_raised"] = "team_limit_raised"
    team: str
    month: date
    bounds: Bounds
    by: str
