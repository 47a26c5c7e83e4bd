"""Runs as they are asked for and shown."""

from datetime import datetime
from typing import Annotated, Any

from pydantic import ConfigDict, Field

from api.schemas.lineage import ChildOfView, ChildView, LineageView
from api.schemas.pull_requests import PullRequestRequest, PullRequestView
from api.schemas.value import RUN_ID, Request, View
from domain.run import TASK_MAX_CHARACTERS, Phase, Publish, RunStatus, WaitingFor

Command = Annotated[str, Field(min_length=1, max_length=10_000)]
ModelName = Annotated[str, Field(min_length=1, max_length=200)]
LabelText = Annotated[str, Field(max_length=200)]


class RepositoryRequest(Request):
    url: str = Field(
        min_length=1,
        max_length=2000,
        description="https://, http:// or an absolute local path that the server allows",
        examples=["https://example.com/team/app.git"],
    )
    ref: str | None = Field(default=None, max_length=250, description="Branch, tag or commit; null: the default branch")


class LimitsRequest(Request):
    """What is left out is as the agent kind has it; null lifts a limit."""

    turns: int | None = Field(default=None, ge=1, le=10_000, description="Answers of the model")
    tokens: int | None = Field(default=None, ge=1, description="Input not served from a cache, plus output")
    cost_usd: float | None = Field(default=None, gt=0)
    seconds: int | None = Field(default=None, ge=1, description="Waits for people and providers are not counted")
    verify_rounds: int = Field(default=3, ge=1, le=20, description="How often failed checks go back to the model")
    children: int = Field(default=4, ge=0, le=16, description="How many of its children work at a time; 0: it has none")
    depth: int = Field(default=1, ge=0, le=3, description="How deep children may have children; 1: theirs have none")


class SandboxLimitsRequest(Request):
    """Limits of the run's commands. They only lower what the operator gives; what is left out stays."""

    memory_bytes: int | None = Field(default=None, ge=64 * 1024**2, description="All processes of a command together")
    processes: int | None = Field(default=None, ge=8)
    cpus: float | None = Field(default=None, gt=0)
    file_bytes: int | None = Field(default=None, ge=1024**2, description="The largest file")
    output_bytes: int | None = Field(default=None, ge=64 * 1024, description="A command that prints more is ended")
    disk_bytes: int | None = Field(default=None, ge=1024**2, description="What a command may add to the run's files")
    disk_files: int | None = Field(default=None, ge=100, description="How many files it may add")
    seconds: int | None = Field(default=None, ge=1, description="The longest that a command may take")


class RunRequest(Request):
    """Only `task` is required."""

    task: str = Field(min_length=1, max_length=TASK_MAX_CHARACTERS, description="What is to be done, in plain words")
    repository: RepositoryRequest | None = Field(default=None, description="null: an empty workspace")
    agent: str = Field(default="coder", max_length=100, description="An agent kind of `GET /v1/agents`")
    model: str | None = Field(default=None, max_length=200, description="`provider:model`; null: the agent's, or ours")
    fallback_models: list[ModelName] | None = Field(default=None, max_length=8, description="While it cannot answer")
    plan: bool = Field(default=True, description="Whether a plan is made before the work")
    plan_approval: bool = Field(default=False, description="Whether a person approves the plan first")
    tool_policy: str = Field(default="default", max_length=100, description="What tools may do unasked")
    publish: Publish | None = Field(
        default=None,
        description="`branch` pushes a branch to the repository, `pull_request` opens a pull request of it as well, "
        "`none` keeps the patch here",
    )
    pull_request: PullRequestRequest | None = Field(default=None, description="Where one is published")
    notify_url: str | None = Field(default=None, max_length=2000, description="Is told, signed, of its end and waits")
    comment_on: int | None = Field(default=None, ge=1, description="Issue or pull request where its result is posted")
    publish_approval: bool = Field(default=False, description="Whether a person approves before anything is pushed")
    verify: list[Command] = Field(default=[], max_length=20, description="Commands that must succeed before the end")
    setup: str | None = Field(default=None, max_length=10_000, description="A command run once before the first turn")
    limits: LimitsRequest = Field(default=LimitsRequest())
    sandbox_limits: SandboxLimitsRequest = Field(default=SandboxLimitsRequest())
    priority: int = Field(default=3, ge=1, le=5, description="1 is the most urgent")
    labels: dict[LabelText, LabelText] = Field(default={}, max_length=20)
    session_id: None = Field(default=None, description="Sessions are not there yet")
    webhook_url: None = Field(default=None, description="Webhooks are not there yet")

    model_config = ConfigDict(
        json_schema_extra={
            "examples": [
                {
                    "task": "Fix the failing test in tests/test_slug.py",
                    "repository": {"url": "https://example.com/team/app.git", "ref": "main"},
                    "agent": "coder",
                    "plan_approval": True,
                    "publish": "pull_request",
                    "pull_request": {"labels": ["agent"], "reviewers": ["ada"]},
                    "verify": ["pytest -q"],
                    "limits": {"turns": 100, "cost_usd": 5.0, "seconds": 1800},
                    "labels": {"team": "web"},
                }
            ]
        }
    )


class RepositoryView(View):
    url: str
    ref: str | None


class UsageView(View):
    """Tokens; `input_tokens` leaves out what a cache served or stored."""

    input_tokens: int
    cache_read_tokens: int
    cache_write_tokens: int
    output_tokens: int
    reasoning_tokens: int


class LimitsView(View):
    """null does not bind."""

    turns: int | None
    tokens: int | None
    cost_usd: float | None
    seconds: float | None


class PlanStepView(View):
    title: str
    detail: str


class PlanView(View):
    summary: str
    steps: list[PlanStepView]
    risks: list[str]


class WorkView(View):
    """The commit that was made of the work."""

    branch: str
    base: str
    commit: str
    tree: str
    files: int
    added: int
    removed: int


class ResultView(View):
    status: RunStatus
    summary: str
    next_step: str
    snapshot_id: str | None
    content_id: str | None
    work: WorkView | None
    pushed: bool
    pull_request: PullRequestView | None
    verified: bool | None = Field(description="null where no verify command was asked for")


class RunLinks(View):
    self: str
    events: str
    conversation: str
    diff: str
    files: str
    snapshots: str
    usage: str
    pull_request: str | None = Field(description="At the forge, once it is open")
    temporal_ui: str = Field(description="The run in the Temporal Web UI")


class RunItem(View):
    """A run as lists show it."""

    id: str = Field(examples=[RUN_ID])
    status: RunStatus
    phase: Phase | None
    waiting_for: WaitingFor | None
    waiting_since: datetime | None
    waiting_until: datetime | None = Field(description="When the wait ends by itself, where that is known")
    waiting_reason: str
    title: str = Field(description="The task's first line")
    agent: str
    model: str
    owner: str
    repository: RepositoryView | None
    labels: dict[str, str]
    priority: int
    turn: int
    cost_usd: float
    lineage: LineageView | None = Field(description="null: it is no fork")
    child_of: ChildOfView | None = Field(description="null: people started it")
    superseded_by: str | None = Field(description="The run that goes on in its place, since it was rewound")
    kept: bool | None = Field(description="Whether it won its race; null: it runs in none, or that is not decided")
    branch: str | None = Field(description="The branch of its work, once committed")
    pull_request: PullRequestView | None = Field(description="Once it is open")
    created_at: datetime
    updated_at: datetime
    links: RunLinks


class SandboxView(View):
    """Where the run's commands run, as its workspace was opened last: what is in force there, and how much they get."""

    host: str
    kind: str = Field(examples=["bubblewrap"])
    memory: str = Field(description="How memory is bounded", examples=["cgroup"])
    processes: str
    cpu: str
    disk: str
    network: str
    notes: list[str]
    limits: dict[str, float] = Field(description="Bytes, processes, processors, files and seconds")
    hosts: list[str] = Field(description="What may be reached through the proxy, as host:port")
    image: str | None


class RunView(RunItem):
    """A run as a whole."""

    task: str
    plan: PlanView | None
    todo: list[dict[str, Any]]
    tool_policy: str
    publish: Publish
    verify: list[str]
    model_now: str = Field(description="Who answers: `model`, or one of `fallback_models`")
    fallback_models: list[str]
    model_changes: int
    resent_tokens: int = Field(description="What changes of the model had to send anew, past any cache")
    usage: UsageView
    limits: LimitsView
    limits_left: LimitsView = Field(description="What is left to all runs of its account; `seconds` to the run")
    children: list[ChildView] = Field(description="Runs that its agent gave parts of the task to, the newest 100")
    base_commit: str | None
    snapshot_id: str | None
    verified: bool | None
    sandbox: SandboxView | None = Field(description="null until its workspace is open")
    result: ResultView | None
