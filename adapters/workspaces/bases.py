"""A base is brought to a committed snapshot: by the attempt that led to it, else from packs."""

import errno
from collections.abc import AsyncGenerator
from contextlib import asynccontextmanager

from adapters.workspaces.apply import Owner, merge_attempt, set_all_modes
from adapters.workspaces.layout import Mark, Place, generations
from adapters.workspaces.locks import in_thread
from adapters.workspaces.packs import PackHeader
from adapters.workspaces.restore import restore, write_files
from adapters.workspaces.snapshots import PackSnapshots
from domain.errors import Fenced, OutOfSpace, StorageUnavailable
from domain.snapshot import FileEntry, Manifest, SnapshotRef


class Bases:
    """Every method wants the workspace's lock held alone."""

    def __init__(self, snapshots: PackSnapshots, owner: Owner) -> None:
        self._snapshots = snapshots
        self._owner = owner

    async def adopt(self, place: Place, wanted: Mark, target: SnapshotRef) -> bool:
        """Takes over what an earlier generation left on this host, if it leads to `target`."""
        found = await in_thread(generations, place.path.parent)
        if not found:
            return False
        if found[-1] > int(place.path.name):
            raise Fenced(f"A newer generation of the workspace in {place.path.parent.name} is open on this host.")
        old = Place(place.path.with_name(str(found[-1])), self._owner, place.rubbish)
        mark = await in_thread(old.mark)
        if mark is None or mark.base != wanted.base or not await self._bring_locally(old, mark, target):
            return False
        await in_thread(_take_over, old, place, wanted.model_copy(update={"snapshot": target}))
        return True

    async def bring(self, place: Place, mark: Mark, target: SnapshotRef) -> None:
        if not await self._bring_locally(place, mark, target):
            await self.make(place, mark, target)

    async def make(self, place: Place, wanted: Mark, target: SnapshotRef) -> None:
        """From packs alone. What stops it leaves a mark that stands nowhere, and it is made again."""
        nowhere = Mark(base=wanted.base, base_path=wanted.base_path)
        manifest = (await self._snapshots.standing(target)).manifest
        await in_thread(place.make_base, nowhere)
        await restore(place.base, manifest, self._snapshots, self._owner)
        await in_thread(place.set_mark, nowhere.model_copy(update={"snapshot": target}))

    def merge(self, place: Place, mark: Mark, target: SnapshotRef, header: PackHeader) -> list[str] | None:
        """Takes in the attempt that led to `target`, of which `header` tells. Blocks. Answers with the files that only
        the packs have by now (the base stands nowhere until they are written), or None where there is no way."""
        if mark.stands_at(target):
            return []
        attempt = place.sealed_as(target) if mark.is_sound and header.parent == mark.snapshot else None
        if attempt is None or mark.applying not in (None, attempt.name):
            return None
        place.set_mark(mark.model_copy(update={"applying": attempt.name}))
        missing = merge_attempt(attempt, place.base, header.delta, self._owner)
        if not missing:
            place.set_mark(_at(mark, target))
            place.rubbish.take(attempt)
        return missing

    async def _bring_locally(self, place: Place, mark: Mark, target: SnapshotRef) -> bool:
        if mark.stands_at(target):
            return True
        if not mark.is_sound or target.pack is None or await in_thread(place.sealed_as, target) is None:
            return False
        header = (await self._snapshots.pack(target.pack)).header
        missing = await in_thread(self.merge, place, mark, target, header)
        if missing:
            files = {path: entry for path in missing if isinstance(entry := header.delta[path], FileEntry)}
            await write_files(place.base, files, self._snapshots, self._owner)
            await in_thread(_finish, place, header.delta, _at(mark, target))
        return missing is not None


def _at(mark: Mark, target: SnapshotRef) -> Mark:
    return mark.model_copy(update={"snapshot": target, "applying": None})


def _finish(place: Place, delta: Manifest, done: Mark) -> None:
    # Files written late opened directories that may have to be closed again.
    set_all_modes(place.base, delta)
    place.set_mark(done)


def _take_over(old: Place, place: Place, mark: Mark) -> None:
    if old.path != place.path:
        old.path.rename(place.path)
    place.set_mark(mark)


@asynccontextmanager
async def disk() -> AsyncGenerator[None]:
    """The border to this host's file system."""
    try:
        yield
    except OSError as error:
        if error.errno in {errno.ENOSPC, errno.EDQUOT}:
            raise OutOfSpace(f"This host's disk is full: {error}", "Free some space: the run then goes on.") from error
        raise StorageUnavailable(f"This host's file system failed: {error}") from error
