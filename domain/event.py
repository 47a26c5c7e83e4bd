"""The journal: everything said and done in a run, once.

An event has a deterministic `key` within its run; recording a key twice is recording it once. Keys:

    submitted  started  ended                  repository  rules  workspace/<generation>
    status/<n>                                 message/<message id>
    turn/<n>  turn/<n>/note/<k>  turn/<n>/refused/<attempt>
    <call>/started/<attempt>  <call>/redone/<attempt>  <call>/returned
    approval/<approval id>/requested  approval/<approval id>/decided
    plan/<n>  verify/<round>  work/<n>  effect/<name>/intended  effect/<name>/done

where <call> is `turn/<n>/call/<i>`, `verify/<round>/call/<i>`, `setup/call/0` or `publish/<n>/call/0`.
"""

from datetime import datetime
from typing import Annotated, Any, Literal

from pydantic import Field, TypeAdapter

from domain.approval import ApprovalCard, DecideApproval, Plan
from domain.limits import Limits
from domain.model import AssistantMessage, Usage
from domain.repository import PublishedWork, ResolvedRepository
from domain.run import Phase, RunResult, RunSpec, RunStatus, WaitingFor
from domain.sandbox import Enforcement
from domain.snapshot import SnapshotRef
from domain.tool import ToolClass, ToolResult
from domain.value import Value


class RunSubmitted(Value):
    type: Literal["run_submitted"] = "run_submitted"
    spec: RunSpec
    model: str
    """Resolved: `provider:model`."""
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


class RepositoryResolved(Value):
    type: Literal["repository_resolved"] = "repository_resolved"
    repository: ResolvedRepository


class WorkspaceOpened(Value):
    type: Literal["workspace_opened"] = "workspace_opened"
    host_id: str
    generation: int
    snapshot: SnapshotRef
    enforcement: Enforcement
    adopted: bool = False
    """True where the host's own copy stood at the committed snapshot already."""


class RulesRead(Value):
    """The repository's own rules for agents, as found at the base: what somebody wrote, never instructions of ours."""

    type: Literal["rules_read"] = "rules_read"
    path: str
    text: str


class MessageReceived(Value):
    """A person's message; the model reads it before it answers turn `turn`."""

    type: Literal["message_received"] = "message_received"
    message_id: str
    turn: int
    phase: Phase
    text: str
    by: str


class NoteAdded(Value):
    """What Perdure itself tells the model before turn `turn`: a reminder, a warning, failed checks."""

    type: Literal["note_added"] = "note_added"
    turn: int
    phase: Phase
    text: str


class TurnAnswered(Value):
    type: Literal["turn_answered"] = "turn_answered"
    turn: int
    phase: Phase
    message: AssistantMessage
    stop: Literal["end", "tool_calls", "length", "refused"]
    model: str
    usage: Usage
    cost_usd: float
    seconds: float = 0.0


class TurnRefused(Value):
    """The provider could not answer now; the call is tried again at `until`."""

    type: Literal["turn_refused"] = "turn_refused"
    turn: int
    reason: str
    until: datetime
    unreadable: bool = False
    """It did answer, with nothing that can be used."""


class ToolStarted(Value):
    type: Literal["tool_started"] = "tool_started"
    call: str
    """The call's key."""
    name: str
    tool_class: ToolClass
    subject: str
    attempt: int
    snapshot_id: str
    generation: int


class ToolRedone(Value):
    """Attempt `attempt` was in doubt: its effect is discarded and the call made again."""

    type: Literal["tool_redone"] = "tool_redone"
    call: str
    attempt: int


class ToolReturned(Value):
    """The commit of a call. `snapshot` is the workspace after it; cwd and environment are the shell's."""

    type: Literal["tool_returned"] = "tool_returned"
    call: str
    name: str
    subject: str
    attempt: int
    result: ToolResult
    snapshot: SnapshotRef | None = None
    """None where the call had no workspace: denied, rejected, answered by a person."""
    changed: int = 0
    cwd: str | None = None
    environment: dict[str, str] | None = None
    todo: tuple[dict[str, Any], ...] | None = None
    finished: bool = False


class ApprovalRequested(Value):
    type: Literal["approval_requested"] = "approval_requested"
    card: ApprovalCard


class ApprovalDecided(Value):
    type: Literal["approval_decided"] = "approval_decided"
    decision: DecideApproval


class PlanProposed(Value):
    type: Literal["plan_proposed"] = "plan_proposed"
    plan: Plan


class PlanAccepted(Value):
    """The plan that the work follows; `by` is empty where no approval was asked."""

    type: Literal["plan_accepted"] = "plan_accepted"
    plan: Plan
    by: str = ""


class VerifyEnded(Value):
    type: Literal["verify_ended"] = "verify_ended"
    round: int
    passed: bool
    failed_commands: tuple[str, ...] = ()


class WorkCommitted(Value):
    type: Literal["work_committed"] = "work_committed"
    work: PublishedWork


class EffectIntended(Value):
    type: Literal["effect_intended"] = "effect_intended"
    effect: str
    target: str


class EffectDone(Value):
    """`found` is true where a probe saw that an earlier attempt had done it."""

    type: Literal["effect_done"] = "effect_done"
    effect: str
    target: str
    receipt: dict[str, Any]
    found: bool = False


Event = Annotated[
    RunSubmitted
    | RunStarted
    | RunEnded
    | StatusChanged
    | LimitsRaised
    | RepositoryResolved
    | WorkspaceOpened
    | RulesRead
    | MessageReceived
    | NoteAdded
    | TurnAnswered
    | TurnRefused
    | ToolStarted
    | ToolRedone
    | ToolReturned
    | ApprovalRequested
    | ApprovalDecided
    | PlanProposed
    | PlanAccepted
    | VerifyEnded
    | WorkCommitted
    | EffectIntended
    | EffectDone,
    Field(discriminator="type"),
]
EVENT = TypeAdapter[Event](Event)
