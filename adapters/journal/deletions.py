"""Runs that leave the journal, and what those that stay refer to."""

from collections.abc import AsyncIterator, Sequence

from adapters.journal.connections import Connections
from adapters.journal.statements import statements
from domain.errors import Conflict, NotFound

_SQL = statements("deletions")
_RUNS_AT_ONCE = 50


class DeletionTable:
    def __init__(self, connections: Connections) -> None:
        self._connections = connections

    async def delete(self, run_id: str, by: str) -> None:
        [(outcome,)] = await self._connections.rows(_SQL["delete"], {"run_id": run_id, "by": by})
        if outcome == "absent":
            raise NotFound(f"There is no run {run_id}", "`perdure ls` lists the runs.")
        if outcome != "deleted":
            raise Conflict(f"The run is {outcome}, and only ended runs are deleted", "Cancel it first, or let it end.")

    async def expired(self, older_than_seconds: float, limit: int) -> Sequence[str]:
        wanted = {"seconds": older_than_seconds, "limit": limit}
        return [str(row[0]) for row in await self._connections.rows(_SQL["expired"], wanted)]

    async def references(self) -> AsyncIterator[tuple[str, bool]]:
        """In the order of runs' ids, so that runs which come meanwhile are met, too."""
        after = ""
        while ids := await self._connections.rows(_SQL["runs"], {"after": after, "limit": _RUNS_AT_ONCE}):
            run_ids = [str(row[0]) for row in ids]
            for address, is_body in await self._connections.rows(_SQL["references"], {"run_ids": run_ids}):
                yield str(address), bool(is_body)
            after = run_ids[-1]

    async def uncollected(self) -> int:
        [(count,)] = await self._connections.rows(_SQL["uncollected"], {})
        return int(count)

    async def collected(self, older_than_seconds: float) -> None:
        await self._connections.rows(_SQL["collected"], {"seconds": older_than_seconds})
