"""A tool call, from its start to its commit."""

from typing import Any, Literal

from domain.child import ChildEnd
from domain.network import Connection
from domain.snapshot import SnapshotRef
from domain.tool import ToolClass, ToolResult
from domain.value import Value


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
    by: str = ""
    """Whose attempt it is: of two that take the same number at once, the other one is void."""


class ToolRedone(Value):
    """Attempt `attempt` was in doubt: its effect is discarded and the call made again."""

    type: Literal["tool_redone"] = "tool_redone"
    call: str
    attempt: int


class ConnectionTried(Value):
    """A command asked for a connection, which was made or refused. Never what was said over it."""

    type: Literal["connection_tried"] = "connection_tried"
    call: str
    attempt: int
    connection: Connection


class ConnectionsCounted(Value):
    """What one attempt tried beyond those that are recorded one by one."""

    type: Literal["connections_counted"] = "connections_counted"
    call: str
    attempt: int
    allowed: int
    refused: int
    sent_bytes: int
    received_bytes: int


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
    child: ChildEnd | None = None
    """The run that made this change, where the call gave it to one."""
    reused_from: str = ""
    """The run whose setup command had this effect on the same files; here it was not run."""
