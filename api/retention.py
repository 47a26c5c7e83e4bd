"""What is kept, and for how long: old runs are deleted, and then what nobody refers to any more."""

import asyncio
import contextlib
import logging
import re
from collections.abc import Iterable, Mapping
from datetime import UTC, datetime, timedelta

from api.parts import ApiParts
from domain.errors import Conflict, NotFound, PerdureError
from domain.ports import Journal, RunFilter
from domain.run import RunSummary

LOG = logging.getLogger("perdure.api")
GRACE = timedelta(days=1)
"""Nothing is removed that was put, or first found without a reference, within it: calls in flight have put what they
have not recorded yet, and none of them takes so long."""
DAY_SECONDS = 86400.0
AT_ONCE = 16
BATCH = 100
CHILDREN = 100
ADDRESS = re.compile(rb"[0-9a-f]{64}")


async def delete_run(parts: ApiParts, run_id: str, by: str) -> None:
    """With its children. Raises NotFound, and Conflict where it has not ended. What they alone referred to is collected
    later."""
    await parts.journal.delete(run_id, by)
    LOG.info("audit: run %s was deleted by %s", run_id, by)
    with contextlib.suppress(Conflict):
        while children := await children_of(parts.journal, run_id):
            for child in children:
                with contextlib.suppress(NotFound):
                    await delete_run(parts, child.run_id, by)


async def children_of(journal: Journal, run_id: str) -> list[RunSummary]:
    """The newest hundred. Its forks have the same parent, and are none."""
    cursor: str | None = None
    children: list[RunSummary] = []
    while len(children) < CHILDREN:
        found, cursor = await journal.summaries(RunFilter(parent=run_id), CHILDREN, cursor)
        children += [one for one in found if one.child is not None]
        if cursor is None:
            break
    return children[:CHILDREN]


class Retention:
    """Several servers may sweep at once: each step is repeatable."""

    def __init__(self, parts: ApiParts, grace: timedelta = GRACE) -> None:
        self._parts = parts
        self._grace = grace
        self._looked_at: datetime | None = None

    async def run(self) -> None:
        while True:
            await asyncio.sleep(self._parts.settings.retention_sweep_seconds)
            try:
                await self.sweep()
            except PerdureError as error:
                LOG.warning("nothing is deleted for now: %s", error.message)
            except Exception:
                LOG.exception("a sweep of what is no longer kept failed")

    async def sweep(self) -> None:
        await self._delete_expired()
        now = datetime.now(UTC)
        lately = self._looked_at is not None and now - self._looked_at < self._grace / 2
        # To look means to read what every run refers to, so it is done where something was deleted, and seldom.
        if not lately and await self._parts.journal.uncollected():
            self._looked_at = now
            await self.collect()

    async def _delete_expired(self) -> None:
        days = self._parts.settings.retention_days
        if days is None:
            return
        while old := await self._parts.journal.expired(days * DAY_SECONDS, BATCH):
            for run_id in old:
                try:
                    await delete_run(self._parts, run_id, f"retention of {days:g} days")
                except (NotFound, Conflict) as error:
                    LOG.info("run %s is not deleted: %s", run_id, error.message)

    async def collect(self) -> int:
        """Condemns what nothing refers to, and removes what has been condemned for long. How many were removed."""
        began = datetime.now(UTC)
        put = {address: at async for address, at in self._parts.blobs.listed()}
        wanted = await self._reachable(put)
        condemned = await self._parts.blobs.condemned()
        removed = left = 0
        for address, since in condemned.items():
            if address in put and address not in wanted and began - since < self._grace:
                left += 1
                continue
            if address in put and address not in wanted:
                removed += await self._parts.blobs.remove(address, since)
            await self._parts.blobs.spare(address)
        for address, at in put.items():
            if address not in wanted and address not in condemned and began - at >= self._grace:
                await self._parts.blobs.condemn(address)
                left += 1
        if not left:
            # Whatever was deleted so long ago has been condemned and removed, had there been anything.
            await self._parts.journal.collected(3 * self._grace.total_seconds())
        if removed:
            LOG.info("%d contents that no run refers to were removed; %d wait for their time", removed, left)
        return removed

    async def _reachable(self, put: Mapping[str, datetime]) -> set[str]:
        """By references alone, never by run: runs share contents. What cannot be read stops it: nothing is guessed."""
        found: set[str] = set()
        bodies: set[str] = set()
        async for address, is_body in self._parts.journal.references():
            if address in put:
                found.add(address)
                if is_body:
                    bodies.add(address)
        fresh = list(found)
        while fresh:
            named: set[str] = set()
            for start in range(0, len(fresh), AT_ONCE):
                some = fresh[start : start + AT_ONCE]
                for names in await asyncio.gather(*(self._named_by(one, one in bodies) for one in some)):
                    named |= {name for name in names if name in put}
            fresh = list(named - found)
            found |= named
        return found

    async def _named_by(self, address: str, is_body: bool) -> Iterable[str]:
        try:
            if is_body:
                body = await self._parts.blobs.get(address)
                return {match[0].decode() for match in ADDRESS.finditer(body)}
            return await self._parts.snapshots.references(address)
        except NotFound:
            # It went between the list and now, by another server's hand: it was nobody's.
            return ()
