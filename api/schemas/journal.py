"""Events, and what is folded from them."""

from datetime import datetime
from typing import Literal

from pydantic import Field

from api.schemas.runs import RUN_ID, UsageView
from api.schemas.value import Page, View
from domain.event import Event
from domain.run import Phase


class EventView(View):
    """What happened, once. `seq` counts within the run and is the event's id in the stream."""

    run_id: str = Field(examples=[RUN_ID])
    seq: int = Field(examples=[7])
    key: str = Field(description="Unique within the run", examples=["turn/1/call/0/returned"])
    at: datetime
    event: Event


class EventPage(Page[EventView]):
    """`next_cursor` is null where nothing more stands in the journal now; `last_seq` is where to go on from later."""

    last_seq: int


class ToolCallView(View):
    id: str
    name: str
    arguments: str = Field(description="JSON text as the model wrote it, valid or not")


class MessageView(View):
    """A message as the model reads it: of a `user` (the task, people, reminders), its own, or a `tool` result."""

    role: Literal["user", "assistant", "tool"]
    text: str
    reasoning: str = ""
    calls: list[ToolCallView] = []
    call_id: str | None = None
    name: str | None = None
    is_error: bool = False


class PhaseConversation(View):
    phase: Phase
    messages: list[MessageView]


class ConversationView(View):
    run_id: str = Field(examples=[RUN_ID])
    phases: list[PhaseConversation]


class SnapshotView(View):
    """The workspace after a call that changed it; the address works as `at` of the files."""

    id: str
    key: str = Field(description="The call that made it, or the opening of the workspace")
    at: datetime
    name: str = Field(description="The tool", examples=["bash"])
    subject: str
    changed: int = Field(description="Changed paths since the snapshot before")
    files: str


class UsageLine(View):
    """One answer of a model."""

    turn: int
    phase: Phase
    model: str
    at: datetime
    usage: UsageView
    cost_usd: float
    seconds: float


class UsageTotal(View):
    answers: int
    usage: UsageView
    cost_usd: float
    seconds: float = Field(description="Spent waiting for the model")


class UsageReport(View):
    run_id: str = Field(examples=[RUN_ID])
    total: UsageTotal
    by_phase: dict[str, UsageTotal]
    by_model: dict[str, UsageTotal]
    turns: list[UsageLine]


class FileEntryView(View):
    """One path that differs from the base. Names that are not UTF-8 are shown escaped; `url` has the exact bytes."""

    path: str = Field(examples=["/workspace/src/app.py"])
    type: Literal["file", "directory", "link", "deleted"]
    mode: str | None = Field(default=None, examples=["0644"])
    size: int | None = None
    hash: str | None = Field(default=None, description="sha256 of the content")
    target: str | None = None
    url: str


class FileList(View):
    """What the run changed, at one snapshot. Files of the base that it left alone are not listed."""

    run_id: str = Field(examples=[RUN_ID])
    snapshot_id: str
    base: str = Field(description="Commit of the base, or `empty`")
    path: str
    items: list[FileEntryView]


class FileDiff(View):
    path: str
    change: Literal["added", "modified", "deleted"]
    added: int
    removed: int
    binary: bool
    diff: str


class DiffView(View):
    """`committed`: of the commit that is published. `live`: of the workspace as it stands."""

    run_id: str = Field(examples=[RUN_ID])
    of: Literal["committed", "live"]
    base: str | None
    commit: str | None
    snapshot_id: str | None
    files: list[FileDiff]


class LiveView(View):
    """Shown and forgotten: an event of the stream without an id."""

    run_id: str
    turn: int
    attempt: int
    kind: Literal["text", "reasoning", "tool_call", "output", "reset"]
    text: str
