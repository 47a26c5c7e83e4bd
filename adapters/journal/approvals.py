"""The inbox: approvals over all runs."""

from collections.abc import Sequence

from adapters.journal.bodies import Bodies
from adapters.journal.connections import Connections, Row
from adapters.journal.cursors import read_cursor, write_cursor
from adapters.journal.statements import statements
from domain.approval import Approval
from domain.errors import InvalidRequest
from domain.event import ApprovalDecided, ApprovalRequested

_SQL = statements("approvals")


class ApprovalTable:
    def __init__(self, connections: Connections, bodies: Bodies) -> None:
        self._connections = connections
        self._bodies = bodies

    async def page(
        self, status: str | None, limit: int, cursor: str | None, run_id: str | None
    ) -> tuple[Sequence[Approval], str | None]:
        if status not in ("pending", "decided", None):
            raise InvalidRequest(f"There is no approval status {status!r}", "It is `pending` or `decided`.")
        cursor_at, (cursor_run, cursor_id) = read_cursor(cursor, 2)
        wanted: dict[str, object] = {
            "status": status,
            "run_id": run_id,
            "cursor_at": cursor_at,
            "cursor_run": cursor_run,
            "cursor_id": cursor_id,
            "limit": limit + 1,
        }
        rows = await self._connections.rows(_SQL["page"], wanted, prepare=False)
        found = [await self._approval(row) for row in rows[:limit]]
        if len(rows) <= limit or not found:
            return found, None
        last = found[-1]
        return found, write_cursor(last.requested_at, last.run_id, last.card.approval_id)

    async def _approval(self, row: Row) -> Approval:
        run_id, asked_row, said_row = row[0], row[2:7], row[7:]
        events = await self._bodies.recorded(run_id, [asked_row] if said_row[0] is None else [asked_row, said_row])
        asked = events[0]
        assert isinstance(asked.event, ApprovalRequested)
        approval = Approval(run_id=run_id, card=asked.event.card, requested_at=asked.at)
        if len(events) == 1:
            return approval
        said = events[1]
        assert isinstance(said.event, ApprovalDecided)
        return approval.model_copy(update={"decision": said.event.decision, "decided_at": said.at})
