"""Bodies of events: small ones in their row, large ones in the blob store by their hash."""

import asyncio
from collections import OrderedDict
from collections.abc import Iterable, Sequence

from adapters.journal.connections import Row
from domain.event import EVENT, Event
from domain.ports.files import Blobs
from domain.record import RecordedEvent

INLINE_BYTES = 8 * 1024
_KEPT_BYTES = 16 * 1024**2
_AT_ONCE = 16


class Bodies:
    """`kept_bytes` bounds a cache of large bodies: they are immutable, and folds read the last ones again and again."""

    def __init__(self, blobs: Blobs, kept_bytes: int = _KEPT_BYTES) -> None:
        self._blobs = blobs
        self._kept: OrderedDict[str, bytes] = OrderedDict()
        self._limit = kept_bytes
        self._held = 0
        self._gate = asyncio.Semaphore(_AT_ONCE)

    async def store(self, event: Event) -> tuple[str | None, str | None]:
        """(body, None) or (None, address). What is stored and then not recorded is found by nobody, and harmless."""
        body = EVENT.dump_json(event)
        if len(body) <= INLINE_BYTES:
            return body.decode(), None
        address = await self._blobs.put(body)
        self._keep(address, body)
        return None, address

    async def recorded(self, run_id: str, rows: Iterable[Row]) -> Sequence[RecordedEvent]:
        """Rows are (seq, key, at, body, blob), as every statement that answers with events selects them."""
        rows = list(rows)
        large = {blob for *_, blob in rows if blob is not None}
        loaded = dict(zip(large, await asyncio.gather(*map(self._load, large)), strict=True)) if large else {}
        return [
            RecordedEvent(
                run_id=run_id,
                seq=seq,
                key=key,
                at=at,
                event=EVENT.validate_json(loaded[blob] if blob is not None else body or ""),
            )
            for seq, key, at, body, blob in rows
        ]

    async def _load(self, address: str) -> bytes:
        if (kept := self._kept.get(address)) is not None:
            self._kept.move_to_end(address)
            return kept
        async with self._gate:
            body = await self._blobs.get(address)
        self._keep(address, body)
        return body

    def _keep(self, address: str, body: bytes) -> None:
        if address in self._kept or len(body) > self._limit:
            return
        self._kept[address] = body
        self._held += len(body)
        while self._held > self._limit:
            self._held -= len(self._kept.popitem(last=False)[1])
