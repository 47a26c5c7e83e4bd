"""The table of workspaces: who holds a run's files, and the snapshot that is committed."""

from adapters.journal.connections import Connections, Row
from adapters.journal.statements import statements
from domain.errors import Fenced
from domain.snapshot import SnapshotRef
from domain.workspace import WorkspaceLease

_SQL = statements("workspaces")


class WorkspaceTable:
    """A run has one workspace, which bears the run's id."""

    def __init__(self, connections: Connections) -> None:
        self._connections = connections

    async def take(self, run_id: str, host_id: str) -> WorkspaceLease:
        [row] = await self._connections.rows(_SQL["take"], {"run_id": run_id, "host_id": host_id})
        return _lease(row)

    async def settle_base(self, lease: WorkspaceLease, base: SnapshotRef) -> SnapshotRef:
        rows = await self._connections.rows(
            _SQL["settle_base"],
            {"run_id": lease.workspace_id, "generation": lease.generation, "base": base.model_dump_json()},
        )
        if not rows:
            raise Fenced(f"Workspace {lease.workspace_id} was opened again after generation {lease.generation}")
        return SnapshotRef.model_validate_json(rows[0][0])

    async def lease(self, run_id: str) -> WorkspaceLease | None:
        rows = await self._connections.rows(_SQL["lease"], {"run_id": run_id})
        return _lease(rows[0]) if rows else None


def _lease(row: Row) -> WorkspaceLease:
    workspace_id, host_id, generation, snapshot = row
    return WorkspaceLease(
        workspace_id=workspace_id,
        host_id=host_id,
        generation=generation,
        snapshot=None if snapshot is None else SnapshotRef.model_validate_json(snapshot),
    )
