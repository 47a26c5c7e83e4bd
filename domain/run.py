"""What a user asked for, from start to result."""

from datetime import datetime
from typing import Any, Literal

from pydantic import Field

from domain.approval import Plan
from domain.child import ChildOf
from domain.limits import Limits, Spent
from domain.model import Usage
from domain.notify import Listener
from domain.pull_request import PullRequestRef, PullRequestSpec
from domain.repository import PublishedWork, RepositorySpec
from domain.terms import LimitsWanted
from domain.value import Value

RunStatus = Literal["queued", "running", "waiting", "paused", "completed", "failed", "cancelled"]
WaitingFor = Literal[
    "plan_approval",
    "tool_approval",
    "publish_approval",
    "human_answer",
    "limit",
    "provider",
    "host",
    "ci",
    "worker",
    "capacity",
    "dependency",
    "child",
    "storage",
    "stuck",
    "effect_in_doubt",
]
Phase = Literal["open", "plan", "work", "verify", "publish"]
Publish = Literal["none", "branch", "pull_request"]
TASK_MAX_CHARACTERS = 200_000
TITLE_CHARACTERS = 80


class RunSpec(Value):
    """A run as it was asked for."""

    task: str = Field(min_length=1, max_length=TASK_MAX_CHARACTERS)
    repository: RepositorySpec | None = None
    agent: str = "coder"
    model: str | None = None
    fallback_models: tuple[str, ...] | None = None
    plan: bool = True
    plan_approval: bool = False
    tool_policy: str = "default"
    publish: Publish = "branch"
    pull_request: PullRequestSpec = PullRequestSpec()
    """Where `publish` says so."""
    publish_approval: bool = False
    notify_url: str | None = Field(default=None, max_length=2000)
    """Who is told of its end and of its waits for people; the operator's own listener is beside it."""
    comment_on: int | None = Field(default=None, ge=1)
    """An issue or pull request of the repository, where the run posts its result."""
    verify: tuple[str, ...] = Field(default=(), max_length=20)
    setup: str | None = Field(default=None, max_length=10_000)
    """A command run once before the first turn."""
    limits: Limits = Limits()
    sandbox_limits: LimitsWanted = LimitsWanted()
    """Of its commands, where lower than the operator's."""
    priority: int = Field(default=3, ge=1, le=5)
    labels: dict[str, str] = Field(default={}, max_length=20)


class Pace(Value):
    """When phases give back what they hold; a workflow reads no settings, so it is told."""

    release_after_seconds: float = Field(default=60.0, gt=0)
    """A wait for a person that lasts longer holds neither sandbox nor workspace."""
    turns_per_execution: int = Field(default=100, ge=1)
    """A phase continues as new after so many turns."""
    events_per_execution: int = Field(default=1200, ge=20)
    """Or after so many events, whichever comes first; the run itself, too, which asks its phase to make way."""


class Fork(Value):
    """Where a run branched off another one, and how it goes on from there."""

    parent: str
    at: str
    """The point: `turn/<n>` or `turn/<n>/call/<i>`."""
    root: str
    """The run that the first of all these forks branched off."""
    turn: int
    """The last turn that is over. A turn of which calls are left is gone through again: what returned is not redone."""
    phase: Phase
    finished: bool
    """Whether the agent of that phase had finished there."""
    spent: Spent
    """Counts against the limits, as it did for the parent at that point."""
    again: Spent = Spent()
    """The part of it that is counted again, since its turn is gone through again."""
    snapshot_id: str
    race: str | None = None
    """Of the runs with the same race, the first whose checks pass is kept."""
    replaces: bool = False
    """A rewind: the parent is cancelled, where it goes on."""


class RunInput(Value):
    """What `RunWorkflow` is started with: the decisions it needs, never the text of the task."""

    run_id: str
    agent: str
    planner: str = "planner"
    model: str
    title: str
    """The task's first line, at most 80 characters."""
    plan: bool
    plan_approval: bool
    publish: Publish
    publish_approval: bool
    has_repository: bool
    has_setup: bool
    verify_commands: int
    limits: Limits
    priority: int
    owner: str
    repository: str
    comment_on: int | None = None
    listeners: tuple[Listener, ...] = ()
    """Who is told of its end and of its waits for people."""
    signal_decisions: bool = True
    """Whether a bare Temporal signal may decide approvals."""
    pace: Pace = Pace()
    fork: Fork | None = None
    child: ChildOf | None = None


class RunResult(Value):
    """How a run ended. `snapshot_id` and `content_id` name its last committed workspace."""

    status: Literal["completed", "failed", "cancelled"]
    summary: str
    next_step: str = ""
    snapshot_id: str | None = None
    content_id: str | None = None
    work: PublishedWork | None = None
    pushed: bool = False
    pull_request: PullRequestRef | None = None
    verified: bool | None = None
    """None where no verify command was asked for."""
    seconds: float = 0.0
    """Of its own time, as limits count it: what a child's parent is told."""


class RunSummary(Value):
    """A run as lists and `GET /v1/runs/{id}` show it: a fold of its events (domain/summary.py)."""

    run_id: str
    spec: RunSpec
    model: str
    model_now: str = ""
    """Who answers: the one that was asked for, or a fallback."""
    fallback_models: tuple[str, ...] = ()
    model_changes: int = 0
    resent_tokens: int = 0
    """What changes of the model had to send anew, past any cache."""
    owner: str
    status: RunStatus
    phase: Phase | None = None
    waiting_for: WaitingFor | None = None
    waiting_since: datetime | None = None
    waiting_until: datetime | None = None
    waiting_reason: str = ""
    turn: int = 0
    usage: Usage = Usage()
    cost_usd: float = 0.0
    plan: Plan | None = None
    todo: tuple[dict[str, Any], ...] = ()
    base_commit: str | None = None
    snapshot_id: str | None = None
    verified: bool | None = None
    pull_request: PullRequestRef | None = None
    result: RunResult | None = None
    fork: Fork | None = None
    child: ChildOf | None = None
    superseded_by: str | None = None
    """The run that a rewind of this one made."""
    kept: bool = False
    """Whether it won its race."""
    created_at: datetime
    updated_at: datetime


def title_of(task: str) -> str:
    return " ".join(task.strip().split("\n", 1)[0].split())[:TITLE_CHARACTERS]
