"""The table of events: recorded once per key, read in order."""

import asyncio
from collections.abc import Mapping, Sequence
from types import MappingProxyType

from adapters.journal.bodies import Bodies
from adapters.journal.connections import Connections, Row
from adapters.journal.facts import facts
from adapters.journal.statements import statements
from domain.errors import Fenced, NotFound
from domain.event import ToolReturned
from domain.ports.journal import CallCommit
from domain.record import NewEvent, RecordedEvent

_SQL = statements("events")


class EventTable:
    def __init__(self, connections: Connections, bodies: Bodies) -> None:
        self._connections = connections
        self._bodies = bodies

    async def record(
        self,
        run_id: str,
        events: Sequence[NewEvent],
        statement: bytes = _SQL["append"],
        more: Mapping[str, object] = MappingProxyType({}),
    ) -> Sequence[RecordedEvent]:
        """By another statement that ends in the same, with `more` parameters of its own. With nothing, where that
        refused to record."""
        if not events:
            return ()
        stored = await asyncio.gather(*(self._bodies.store(one.event) for one in events))
        rows = await self._connections.rows(
            statement,
            {
                **more,
                "run_id": run_id,
                "keys": [one.key for one in events],
                "types": [one.event.type for one in events],
                "bodies": [body for body, _ in stored],
                "blobs": [blob for _, blob in stored],
                "facts": [facts(one.event) for one in events],
            },
        )
        return await self._standing(run_id, events, rows) if rows else ()

    async def start(self, run_id: str, generation: int, events: Sequence[NewEvent]) -> Sequence[RecordedEvent]:
        started = await self.record(run_id, events, _SQL["start"], {"generation": generation})
        if not started:
            raise Fenced(f"The workspace of run {run_id} was opened again; nothing was recorded")
        return started

    async def commit(self, run_id: str, commit: CallCommit) -> RecordedEvent:
        returned = commit.returned.event
        snapshot = returned.snapshot if isinstance(returned, ToolReturned) else None
        body, blob = await self._bodies.store(returned)
        rows = await self._connections.rows(
            _SQL["commit"],
            {
                "run_id": run_id,
                "call": commit.call,
                "attempt": commit.attempt,
                "generation": commit.generation,
                "started_from": commit.started_from,
                "snapshot": snapshot.model_dump_json() if snapshot else None,
                "key": commit.returned.key,
                "type": returned.type,
                "body": body,
                "blob": blob,
                "facts": facts(returned),
            },
        )
        if not rows:
            raise Fenced(f"A newer attempt or generation owns {commit.call} of run {run_id}; nothing was recorded")
        return (await self._standing(run_id, [commit.returned], rows))[0]

    async def find(self, run_id: str, key: str) -> RecordedEvent | None:
        rows = await self._connections.rows(_SQL["find"], {"run_id": run_id, "key": key})
        found = await self._bodies.recorded(run_id, rows)
        return found[0] if found else None

    async def read(self, run_id: str, after: int, limit: int, types: Sequence[str]) -> Sequence[RecordedEvent]:
        found = await self.after(run_id, after, limit, types)
        if not found:
            await self.state(run_id)
        return found

    async def after(self, run_id: str, after: int, limit: int, types: Sequence[str] = ()) -> Sequence[RecordedEvent]:
        """Like `read`, for a run that is known to exist."""
        wanted: dict[str, object] = {"run_id": run_id, "after": after, "limit": limit}
        if types:
            rows = await self._connections.rows(_SQL["read_types"], {**wanted, "types": list(types)})
        else:
            rows = await self._connections.rows(_SQL["read"], wanted)
        return await self._bodies.recorded(run_id, rows)

    async def attempts(self, run_id: str, call: str) -> tuple[int, RecordedEvent | None]:
        [(newest, *row)] = await self._connections.rows(_SQL["attempts"], {"run_id": run_id, "call": call})
        if row[0] is None:
            return int(newest), None
        return int(newest), (await self._bodies.recorded(run_id, [tuple(row)]))[0]

    async def state(self, run_id: str) -> tuple[str, int]:
        """Status, and the seq of the last event. Raises NotFound."""
        rows = await self._connections.rows(_SQL["state"], {"run_id": run_id})
        if not rows:
            raise NotFound(f"There is no run {run_id}", "`perdure ls` lists the runs.")
        status, seq = rows[0]
        return str(status), int(seq)

    async def _standing(self, run_id: str, events: Sequence[NewEvent], rows: list[Row]) -> list[RecordedEvent]:
        """What stands under each key: what was given where it is new, what was recorded before where it is not."""
        given: dict[str, NewEvent] = {}
        for one in events:
            given.setdefault(one.key, one)
        known = [(seq, key, at, body, blob) for key, seq, at, is_new, body, blob in rows if not is_new]
        standing = {one.key: one for one in await self._bodies.recorded(run_id, known)}
        for key, seq, at, is_new, _, _ in rows:
            if is_new:
                standing[key] = RecordedEvent(run_id=run_id, seq=seq, key=key, at=at, event=given[key].event)
        return [standing[one.key] for one in events]
