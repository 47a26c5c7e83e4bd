"""The dossiers of the runs that this worker has lately worked for."""

import asyncio
from collections import OrderedDict

from domain.dossier import Dossier
from domain.ports import Journal
from domain.record import RecordedEvent

PAGE = 1000


class Dossiers:
    """A cache over the journal: reads what is new, never writes. Holds the `size` runs used last."""

    def __init__(self, journal: Journal, size: int = 200) -> None:
        self._journal = journal
        self._size = size
        self._kept: OrderedDict[str, tuple[Dossier, asyncio.Lock]] = OrderedDict()

    async def of(self, run_id: str) -> Dossier:
        """The run's dossier as of now."""
        dossier, lock = self._kept.setdefault(run_id, (Dossier(run_id), asyncio.Lock()))
        self._kept.move_to_end(run_id)
        while len(self._kept) > self._size:
            self._kept.popitem(last=False)
        async with lock:
            while True:
                page = await self._journal.read(run_id, after=dossier.seq, limit=PAGE)
                dossier.take(page)
                if len(page) < PAGE:
                    return dossier

    def add(self, run_id: str, recorded: RecordedEvent) -> None:
        """Takes what this worker has just recorded, where nothing is missing before it: saves the reading."""
        kept = self._kept.get(run_id)
        if kept is not None and recorded.seq == kept[0].seq + 1:
            kept[0].take([recorded])
