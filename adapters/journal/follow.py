"""A run as it happens: the table for what is recorded, announcements for when to look and for live text."""

import asyncio
from collections.abc import AsyncIterator, Sequence

from adapters.journal.connections import Connections
from adapters.journal.events import EventTable
from adapters.journal.listener import Listener
from adapters.journal.statements import statements
from domain.errors import StorageUnavailable
from domain.event import RunEnded
from domain.record import LiveDelta, RecordedEvent
from domain.summary import ENDED

_SQL = statements("live")
_PAGE = 500
_POLL_SECONDS = 5.0
_RETRY_SECONDS = 0.5
_PIECE_CHARACTERS = 1200
"""Postgres takes announcements below 8000 bytes; a character may need six of them."""


class Following:
    def __init__(self, connections: Connections, events: EventTable, listener: Listener) -> None:
        self._connections = connections
        self._events = events
        self._listener = listener

    async def send_live(self, delta: LiveDelta) -> None:
        await self._connections.rows(_SQL["send"], {"payloads": _payloads(delta)})

    async def follow(self, run_id: str, after: int) -> AsyncIterator[RecordedEvent | LiveDelta]:
        await self._events.state(run_id)
        follower = self._listener.subscribe(run_id)
        may_have_ended = True
        try:
            while True:
                while follower.changed:
                    follower.changed = False
                    page = await self._read(run_id, after)
                    for recorded in page:
                        yield recorded
                        after = recorded.seq
                        may_have_ended |= isinstance(recorded.event, RunEnded)
                    follower.changed |= len(page) == _PAGE
                if may_have_ended and await self._has_ended(run_id, after):
                    return
                may_have_ended = False
                while follower.deltas:
                    yield follower.deltas.popleft()
                await follower.wait(_POLL_SECONDS)
        finally:
            self._listener.unsubscribe(run_id, follower)

    async def _read(self, run_id: str, after: int) -> Sequence[RecordedEvent]:
        """A lost database is waited for: whoever follows has nothing better to do."""
        while True:
            try:
                return await self._events.after(run_id, after, _PAGE)
            except StorageUnavailable:
                await asyncio.sleep(_RETRY_SECONDS)

    async def _has_ended(self, run_id: str, after: int) -> bool:
        while True:
            try:
                status, seq = await self._events.state(run_id)
            except StorageUnavailable:
                await asyncio.sleep(_RETRY_SECONDS)
            else:
                return status in ENDED and seq <= after


def _payloads(delta: LiveDelta) -> list[str]:
    """The delta in pieces that fit, each after the run's id and a number: equal announcements are made only once."""
    starts = range(0, len(delta.text), _PIECE_CHARACTERS) or (0,)
    pieces = (delta.model_copy(update={"text": delta.text[at : at + _PIECE_CHARACTERS]}) for at in starts)
    return [f"{delta.run_id} {number} {piece.model_dump_json()}" for number, piece in enumerate(pieces)]
