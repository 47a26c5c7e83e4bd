"""What activities know of a run."""

from datetime import UTC, datetime

from domain.dossier import Dossier
from domain.event import Event, ToolReturned, WorkspaceOpened
from domain.record import RecordedEvent
from domain.sandbox import Enforcement
from domain.snapshot import SnapshotRef
from domain.tool import ToolResult

AT = datetime(2030, 1, 1, tzinfo=UTC)
BASE, CHANGED = SnapshotRef(id="base", base="empty"), SnapshotRef(id="changed", base="empty", pack="p")


def told(*events: Event) -> Dossier:
    dossier = Dossier("r")
    dossier.take(
        RecordedEvent(run_id="r", seq=seq, key=f"k{seq}", at=AT, event=one) for seq, one in enumerate(events, 1)
    )
    return dossier


def opened(generation: int, snapshot: SnapshotRef) -> WorkspaceOpened:
    return WorkspaceOpened(
        host_id="h", generation=generation, snapshot=snapshot, enforcement=Enforcement(sandbox="bubblewrap")
    )


def committed(snapshot: SnapshotRef) -> ToolReturned:
    result = ToolResult(text="done")
    return ToolReturned(call="turn/1/call/0", name="bash", subject="", attempt=1, result=result, snapshot=snapshot)


def test_a_workspace_stands_where_the_last_call_left_it() -> None:
    assert told(opened(1, BASE), committed(CHANGED)).snapshot == CHANGED
    assert told(opened(1, BASE), committed(CHANGED), opened(2, CHANGED)).snapshot == CHANGED


def test_a_host_that_says_too_late_what_it_opened_is_not_listened_to() -> None:
    assert told(opened(2, BASE), committed(CHANGED), opened(1, BASE)).snapshot == CHANGED
