"""The table of setups: whose effect may be taken over."""

from adapters.journal.bodies import Bodies
from adapters.journal.connections import Connections
from adapters.journal.statements import statements
from domain.record import RecordedEvent

_SQL = statements("setups")


class SetupTable:
    def __init__(self, connections: Connections, bodies: Bodies) -> None:
        self._connections = connections
        self._bodies = bodies

    async def keep(self, key: str, run_id: str) -> None:
        await self._connections.rows(_SQL["keep"], {"key": key, "run_id": run_id})

    async def find(self, key: str, within_seconds: float) -> RecordedEvent | None:
        rows = await self._connections.rows(_SQL["find"], {"key": key, "seconds": within_seconds})
        if not rows:
            return None
        [(run_id, *row)] = rows
        return (await self._bodies.recorded(str(run_id), [tuple(row)]))[0]
