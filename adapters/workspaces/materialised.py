"""Workspaces as plain directories, for sandboxes that mount no overlays: an attempt writes right into them."""

import os
import threading
from collections import OrderedDict
from collections.abc import AsyncGenerator
from contextlib import asynccontextmanager
from functools import partial
from pathlib import Path

from adapters.workspaces.attempts import Attempts
from adapters.workspaces.bases import disk
from adapters.workspaces.guard import Guard
from adapters.workspaces.layout import (
    EMPTY,
    TARGETS,
    generations,
    given_back,
    make_directory,
    process_mark,
    workspace_path,
)
from adapters.workspaces.ledger import Ledger, TreeMark
from adapters.workspaces.locks import in_thread
from adapters.workspaces.rubbish import Rubbish
from adapters.workspaces.scan import DeltaCaps
from adapters.workspaces.seal import store
from adapters.workspaces.snapshots import PackSnapshots, bare
from adapters.workspaces.trees import LEDGER, TreePlace, Trees
from domain.errors import Fenced, StorageUnavailable
from domain.ports.files import Blobs
from domain.sandbox import Mount, ReadOnlyMount, WritableMount
from domain.snapshot import SnapshotRef
from domain.workspace import ROOTS, AttemptLayers, BaseSpec, SealedAttempt, WorkspaceLease

KEPT_SIGHTS = 400_000


class ScanWorkspaces:
    """What an attempt changed is found by comparing with how the tree looked before, and undone from the checkout and
    packs; so whoever ran in an attempt must have been killed before the next `begin` or `discard`."""

    def __init__(self, home: Path, blobs: Blobs, agent_uid: int | None, caps: DeltaCaps | None = None) -> None:
        self._home = home
        self._blobs = blobs
        self._owner = agent_uid
        self._snapshots = PackSnapshots(blobs)
        self._rubbish = Rubbish(home / "gone")
        self._trees = Trees(self._snapshots, agent_uid, self._rubbish, home / EMPTY, caps or DeltaCaps())
        self._guard = Guard(home, agent_uid)
        self._attempts = Attempts()
        self._ledgers: OrderedDict[Path, Ledger] = OrderedDict()
        self._choosing = threading.Lock()

    async def open(self, lease: WorkspaceLease, base: BaseSpec, base_path: Path) -> tuple[SnapshotRef, bool]:
        """A tree in which an attempt is in doubt is left to it, and another is made."""
        target = lease.snapshot or bare(base.commit or EMPTY)
        async with self._guard.alone(lease.workspace_id):
            await in_thread(make_directory, self._home / EMPTY, 0o755, self._owner)
            place, wanted = self._place(lease), TreeMark(base=base, base_path=str(base_path))
            adopted = await self._trees.adopt(place, wanted, target)
            if not adopted:
                await self._trees.make(place, wanted, target)
            await in_thread(self._remove_older, place.path)
        return target, adopted

    async def begin(self, lease: WorkspaceLease, call: str, attempt: int) -> AttemptLayers:
        """Waits for an attempt of another call that is still being made."""
        attempt_id = f"{call}.{attempt}"
        await self._attempts.wait(lease.workspace_id, partial(self._mark, lease))
        async with self._guard.alone(lease.workspace_id):
            place, mark, target = await in_thread(self._look, lease)
            if self._attempts.is_alive(lease.workspace_id, mark):
                raise StorageUnavailable(f"Another attempt has begun in workspace {lease.workspace_id}.")
            if not mark.stands_at(target):
                await self._trees.bring(place, mark, target)
                place, mark, _ = await in_thread(self._look, lease)
            at_work = mark.model_copy(update={"applying": attempt_id, "worker": process_mark(os.getpid())})
            await in_thread(place.ledger.set, at_work)
            self._attempts.begin(lease.workspace_id, attempt_id)
        return AttemptLayers(attempt_id=attempt_id, mounts=_mounts(place, writable=True))

    async def read_mounts(self, lease: WorkspaceLease) -> AttemptLayers:
        async with self.reading(lease) as layers:
            return layers

    @asynccontextmanager
    async def reading(self, lease: WorkspaceLease) -> AsyncGenerator[AttemptLayers]:
        """Waits for an attempt that is being made, and undoes one that is not made any more."""
        for _ in range(2):
            async with self._guard.of(lease.workspace_id).shared(), disk():
                place, mark, target = await in_thread(self._look, lease)
                if mark.stands_at(target):
                    yield AttemptLayers(attempt_id="read", mounts=_mounts(place, writable=False))
                    return
            await self._attempts.wait(lease.workspace_id, partial(self._mark, lease))
            async with self._guard.alone(lease.workspace_id):
                place, mark, target = await in_thread(self._look, lease)
                if not mark.stands_at(target) and not self._attempts.is_alive(lease.workspace_id, mark):
                    await self._trees.bring(place, mark, target)
        raise Fenced(f"Workspace {lease.workspace_id} has moved on from the snapshot {target.id}.")

    async def seal(self, lease: WorkspaceLease, layers: AttemptLayers) -> SealedAttempt:
        async with self._guard.alone(lease.workspace_id):
            place, mark, target = await in_thread(self._look, lease)
            if mark.applying != layers.attempt_id or mark.snapshot != target or not mark.is_sound:
                raise Fenced(f"The attempt {layers.attempt_id} of {lease.workspace_id} is no longer wanted here.")
            standing = await self._snapshots.standing(target)
            made, census = await in_thread(self._trees.draft, place, mark, standing, target)
            changed, ref = 0, target
            if made.pack is not None:
                ref, index = await store(made, made.pack, self._blobs)
                self._snapshots.remember(ref, made.standing, index)
                changed = made.changed
                if isinstance(made.pack, Path):
                    await in_thread(made.pack.unlink)
            sealed = mark.model_copy(update={"snapshot": ref})
            await in_thread(place.ledger.set, sealed, census.seen, census.gone)
        dropped = made.header.dropped
        return SealedAttempt(attempt_id=layers.attempt_id, snapshot=ref, changed=changed, dropped=dropped)

    async def apply(self, lease: WorkspaceLease, sealed: SealedAttempt) -> None:
        """The tree has it already; only the mark does not say so."""
        async with self._guard.alone(lease.workspace_id):
            place, mark, _ = await in_thread(self._look, lease)
            if mark.is_sound and mark.applying == sealed.attempt_id and mark.snapshot == sealed.snapshot:
                await in_thread(place.ledger.set, mark.model_copy(update={"applying": None, "worker": ""}))
            elif not mark.stands_at(sealed.snapshot):
                await self._trees.bring(place, mark, sealed.snapshot)
            self._attempts.end(lease.workspace_id)

    async def discard(self, workspace_id: str, call: str, before_attempt: int) -> None:
        workspace = workspace_path(self._home, workspace_id)
        if not await in_thread(generations, workspace):
            return
        async with self._guard.alone(workspace_id):
            for number in await in_thread(generations, workspace):
                place = self._place_at(workspace / str(number))
                mark = await in_thread(place.ledger.mark)
                of, _, attempt = ((mark.applying if mark else None) or "").rpartition(".")
                if mark and mark.snapshot and of == call and int(attempt) < before_attempt:
                    await self._trees.bring(place, mark, mark.snapshot)
                    self._attempts.end(workspace_id)

    async def sweep(self) -> None:
        """An attempt that nobody owns is undone when its workspace is next asked for."""
        async with disk():
            await in_thread(self._rubbish.sweep)

    async def close(self, workspace_id: str, generation: int | None = None) -> None:
        async with self._guard.alone(workspace_id):
            for path in await in_thread(given_back, workspace_path(self._home, workspace_id), generation):
                await in_thread(self._rubbish.take, path)
            self._attempts.end(workspace_id)

    async def settle(self) -> None:
        """Waits until what was thrown away is gone from the disk."""
        await in_thread(self._rubbish.settle)

    def _place(self, lease: WorkspaceLease) -> TreePlace:
        return self._place_at(workspace_path(self._home, lease.workspace_id) / str(lease.generation))

    def _place_at(self, path: Path) -> TreePlace:
        with self._choosing:
            ledger = self._ledgers.get(path) or Ledger(path / LEDGER)
            self._ledgers[path] = ledger
            self._ledgers.move_to_end(path)
            kept = sum(one.sightings.count for one in self._ledgers.values())
            while len(self._ledgers) > 1 and kept > KEPT_SIGHTS:
                kept -= self._ledgers.popitem(last=False)[1].sightings.count
        return TreePlace(path, ledger)

    def _mark(self, lease: WorkspaceLease) -> TreeMark | None:
        return self._place(lease).ledger.mark()

    def _look(self, lease: WorkspaceLease) -> tuple[TreePlace, TreeMark, SnapshotRef]:
        place = self._place(lease)
        mark = place.ledger.mark()
        if mark is None:
            raise Fenced(f"Generation {lease.generation} of workspace {lease.workspace_id} is not open on this host.")
        return place, mark, lease.snapshot or bare(mark.base.commit or EMPTY)

    def _remove_older(self, path: Path) -> None:
        for number in generations(path.parent):
            if number < int(path.name):
                with self._choosing:
                    self._ledgers.pop(path.parent / str(number), None)
                self._rubbish.take(path.parent / str(number))


def _mounts(place: TreePlace, *, writable: bool) -> tuple[Mount, ...]:
    kind = WritableMount if writable else ReadOnlyMount
    return tuple(kind(source=str(place.tree / root), target=TARGETS[root]) for root in ROOTS)
