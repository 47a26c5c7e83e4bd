"""A person's word: what is asked, what was decided."""

from datetime import datetime
from typing import Any, Literal

from pydantic import Field

from domain.value import Value

ApprovalKind = Literal["plan", "tool_call", "publish", "question", "limit", "team_limit", "stuck", "effect"]
ApprovalDecision = Literal["approve", "reject"]
AGAIN = "/again/"
GRANTS: tuple[ApprovalKind, ...] = ("plan", "tool_call", "publish")
"""What is allowed for the world as the card shows it, and for no other."""


class PlanStep(Value):
    title: str = Field(min_length=1, max_length=300)
    detail: str = Field(default="", max_length=4000)


class Plan(Value):
    """What the agent means to do; a person may edit it."""

    summary: str = Field(min_length=1, max_length=4000)
    steps: tuple[PlanStep, ...] = Field(min_length=1, max_length=50)
    risks: tuple[str, ...] = ()


class ApprovalCard(Value):
    """All that a person needs to decide, and the state of the world that the word will hold for."""

    approval_id: str
    """Deterministic: the key of what it is about, such as `plan/1` or `turn/12/call/0`."""
    kind: ApprovalKind
    title: str
    subject: dict[str, Any] = {}
    """The exact plan, call, diff reference, question or limit."""
    risk: str = ""
    snapshot_id: str | None = None
    base_commit: str | None = None
    again: str = ""
    """Why it is asked about again: a person said yes, and the world was no longer the one that they were shown."""


class DecideApproval(Value):
    """The signal and update `decide_approval`; also what the API takes."""

    approval_id: str = Field(max_length=200)
    decision: ApprovalDecision
    by: str = "temporal (unverified)"
    reason: str = Field(default="", max_length=10_000)
    edited: dict[str, Any] | None = None
    """A plan, a call's arguments, `{"answer": ...}` to a question, new limits, or `{"receipt": ...}` of an effect."""
    scope: Literal["call", "kind"] = "call"
    """`kind`: this tool needs no further word for the rest of the run."""


class Approval(Value):
    """An approval as it stands: a fold of its two events."""

    run_id: str
    card: ApprovalCard
    requested_at: datetime
    decision: DecideApproval | None = None
    decided_at: datetime | None = None


def asked_again(approval_id: str, number: int) -> str:
    return f"{about(approval_id)}{AGAIN}{number}"


def about(approval_id: str) -> str:
    """What is asked about, however often."""
    return approval_id.partition(AGAIN)[0]


def moved(card: ApprovalCard, snapshot_id: str | None, base_commit: str | None) -> str:
    """Why a yes to this card does not hold in the world as it is now; empty while it does."""
    if card.kind not in GRANTS:
        return ""
    if card.base_commit != base_commit:
        return f"The run no longer starts from {_short(card.base_commit)}, but from {_short(base_commit)}."
    if card.snapshot_id != snapshot_id:
        return f"The files are no longer those of snapshot {_short(card.snapshot_id)}, but of {_short(snapshot_id)}."
    return ""


def _short(name: str | None) -> str:
    return name[:12] if name else "nothing"
