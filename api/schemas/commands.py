"""What people tell runs, and what they hear back."""

from datetime import datetime
from typing import Any, Literal

from pydantic import Field

from api.schemas.runs import RUN_ID
from api.schemas.value import Request, View
from domain.approval import ApprovalDecision, ApprovalKind
from domain.mailbox import MESSAGE_MAX_CHARACTERS


class CancelRequest(Request):
    reason: str = Field(default="", max_length=10_000, examples=["Superseded by another run"])


class MessageRequest(Request):
    text: str = Field(
        min_length=1, max_length=MESSAGE_MAX_CHARACTERS, examples=["Leave the public function names as they are."]
    )
    message_id: str | None = Field(
        default=None,
        min_length=1,
        max_length=150,
        pattern=r"^[A-Za-z0-9._:-]+$",
        description="Yours: the same id sent twice is one message",
    )


class CommandView(View):
    """A command that was taken. Without `acknowledged` no worker was up: the run reads it when one is."""

    run_id: str = Field(examples=[RUN_ID])
    command: Literal["pause", "resume", "cancel", "send_message"]
    acknowledged: bool
    message_id: str | None = None


class DecisionRequest(Request):
    decision: ApprovalDecision
    reason: str = Field(default="", max_length=10_000, description="The model reads it")
    edited: dict[str, Any] | None = Field(
        default=None,
        description='The plan or the call\'s arguments as approved, `{"answer": ...}` to a question, new limits, '
        'or `{"receipt": {...}}` of an effect that was made',
        examples=[{"command": "pytest -q tests/test_slug.py"}],
    )
    scope: Literal["call", "kind"] = Field(
        default="call", description="`kind`: this tool needs no further word for the rest of the run"
    )


class DecisionView(View):
    decision: ApprovalDecision
    by: str
    reason: str
    edited: dict[str, Any] | None
    scope: Literal["call", "kind"]


class ApprovalView(View):
    """Something that waits for a person's word, or had it."""

    run_id: str = Field(examples=[RUN_ID])
    approval_id: str = Field(examples=["turn/12/call/0"])
    status: Literal["pending", "decided"]
    kind: ApprovalKind
    title: str
    subject: dict[str, Any] = Field(description="The exact plan, call, diff reference, question, limit or effect")
    risk: str
    snapshot_id: str | None
    base_commit: str | None
    again: str = Field(description="Why it is asked again: what moved since a person said yes")
    requested_at: datetime
    decision: DecisionView | None
    decided_at: datetime | None
    url: str = Field(description="Where the decision is posted to")


class DecidedView(View):
    """A decision that was taken. Without `acknowledged` no worker was up: the run reads it when one is."""

    run_id: str = Field(examples=[RUN_ID])
    approval_id: str = Field(examples=["plan/1"])
    decision: DecisionView
    acknowledged: bool
