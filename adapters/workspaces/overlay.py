"""Workspaces as overlays: a shared checkout, what this run changed over it, and one fresh layer per attempt."""

from collections.abc import AsyncGenerator, Iterator
from contextlib import asynccontextmanager
from hashlib import sha256
from pathlib import Path

from adapters.workspaces.bases import Bases, disk
from adapters.workspaces.guard import Guard
from adapters.workspaces.layout import (
    EMPTY,
    TARGETS,
    Mark,
    Place,
    attempts_before,
    dead_attempts,
    generations,
    given_back,
    make_directory,
    upper_of,
    work_of,
    workspace_path,
)
from adapters.workspaces.locks import in_thread
from adapters.workspaces.packs import PackHeader
from adapters.workspaces.rubbish import Rubbish
from adapters.workspaces.scan import DeltaCaps
from adapters.workspaces.seal import Draft, draft_layers, store
from adapters.workspaces.snapshots import PackSnapshots, Standing, bare
from domain.errors import Fenced
from domain.ports.files import Blobs
from domain.sandbox import OverlayMount
from domain.snapshot import SnapshotRef
from domain.workspace import ROOTS, AttemptLayers, BaseSpec, SealedAttempt, WorkspaceLease


class OverlayWorkspaces:
    """`home` is this worker's own. As root all that commands may write belongs to `agent_uid`."""

    def __init__(self, home: Path, blobs: Blobs, agent_uid: int | None, caps: DeltaCaps | None = None) -> None:
        self._home = home
        self._blobs = blobs
        self._owner = agent_uid
        self._caps = caps or DeltaCaps()
        self._snapshots = PackSnapshots(blobs)
        self._rubbish = Rubbish(home / "gone")
        self._bases = Bases(self._snapshots, agent_uid)
        self._guard = Guard(home, agent_uid)

    async def open(self, lease: WorkspaceLease, base: BaseSpec, base_path: Path) -> tuple[SnapshotRef, bool]:
        target = lease.snapshot or bare(base.commit or EMPTY)
        async with self._guard.alone(lease.workspace_id):
            await in_thread(make_directory, self._home / EMPTY, 0o755, self._owner)
            place, wanted = self._place(lease), Mark(base=base, base_path=str(base_path))
            adopted = await self._bases.adopt(place, wanted, target)
            if not adopted:
                await self._bases.make(place, wanted, target)
            await in_thread(place.remove_older)
        return target, adopted

    async def begin(self, lease: WorkspaceLease, call: str, attempt: int) -> AttemptLayers:
        attempt_id = f"{call}.{attempt}"
        async with self._at_committed(lease) as (place, mark, target):
            known = (await self._snapshots.standing(target)).manifest
            async with disk():
                path = await in_thread(place.make_attempt, attempt_id, known)
            return AttemptLayers(attempt_id=attempt_id, mounts=self._mounts(place, mark, path))

    async def read_mounts(self, lease: WorkspaceLease) -> AttemptLayers:
        async with self.reading(lease) as layers:
            return layers

    @asynccontextmanager
    async def reading(self, lease: WorkspaceLease) -> AsyncGenerator[AttemptLayers]:
        """The workspace as committed, read-only, and nothing is applied to it meanwhile."""
        async with self._at_committed(lease) as (place, mark, _):
            yield AttemptLayers(attempt_id="read", mounts=self._mounts(place, mark, None))

    async def seal(self, lease: WorkspaceLease, layers: AttemptLayers) -> SealedAttempt:
        async with self._guard.of(lease.workspace_id).shared(), disk():
            target = lease.snapshot or (await in_thread(self._look, lease))[2]
            standing = await self._snapshots.standing(target)
            place, made = await in_thread(self._draft, lease, layers.attempt_id, standing)
            dropped = made.header.dropped
            if made.pack is None:
                return SealedAttempt(attempt_id=layers.attempt_id, snapshot=target, changed=0, dropped=dropped)
            ref, index = await store(made, made.pack, self._blobs)
            self._snapshots.remember(ref, made.standing, index)
            if isinstance(made.pack, Path):
                await in_thread(place.seal, layers.attempt_id, ref)
                await in_thread(made.pack.unlink)
        return SealedAttempt(attempt_id=layers.attempt_id, snapshot=ref, changed=made.changed, dropped=dropped)

    async def apply(self, lease: WorkspaceLease, sealed: SealedAttempt) -> None:
        async with self._guard.alone(lease.workspace_id):
            index = self._snapshots.kept(sealed.snapshot.pack)
            place, mark, applied = await in_thread(self._apply, lease, sealed, index.header if index else None)
            if not applied:
                await self._bases.bring(place, mark, sealed.snapshot)
                await in_thread(self._rubbish.take, place.attempt(sealed.attempt_id))

    async def discard(self, workspace_id: str, call: str, before_attempt: int) -> None:
        async with self._guard.of(workspace_id).shared(), disk():
            places = self._places(workspace_path(self._home, workspace_id))
            for path in await in_thread(attempts_before, places, call, before_attempt):
                await in_thread(self._rubbish.take, path)

    async def sweep(self) -> None:
        async with disk():
            await in_thread(self._sweep)

    async def close(self, workspace_id: str, generation: int | None = None) -> None:
        """Frees the disk; the workspace can be opened again from its snapshot."""
        async with self._guard.alone(workspace_id):
            for path in await in_thread(given_back, workspace_path(self._home, workspace_id), generation):
                await in_thread(self._rubbish.take, path)

    async def settle(self) -> None:
        """Waits until what was thrown away is gone from the disk."""
        await in_thread(self._rubbish.settle)

    def _sweep(self) -> None:
        for workspace in sorted(self._home.glob("w-*")):
            for path in dead_attempts(self._places(workspace)):
                self._rubbish.take(path)
        self._rubbish.sweep()

    @asynccontextmanager
    async def _at_committed(self, lease: WorkspaceLease) -> AsyncGenerator[tuple[Place, Mark, SnapshotRef]]:
        """Holds the workspace's lock shared, its base at the committed snapshot."""
        for _ in range(2):
            async with self._guard.of(lease.workspace_id).shared():
                place, mark, target = await in_thread(self._look, lease)
                if mark.stands_at(target):
                    yield place, mark, target
                    return
            async with self._guard.alone(lease.workspace_id):
                place, mark, target = await in_thread(self._look, lease)
                await self._bases.bring(place, mark, target)
        raise Fenced(f"Workspace {lease.workspace_id} has moved on from the snapshot {target.id}.")

    def _place(self, lease: WorkspaceLease) -> Place:
        path = workspace_path(self._home, lease.workspace_id) / str(lease.generation)
        return Place(path, self._owner, self._rubbish)

    def _places(self, workspace: Path) -> Iterator[Place]:
        for number in generations(workspace):
            yield Place(workspace / str(number), self._owner, self._rubbish)

    def _look(self, lease: WorkspaceLease) -> tuple[Place, Mark, SnapshotRef]:
        place = self._place(lease)
        mark = place.mark()
        if mark is None:
            raise Fenced(f"Generation {lease.generation} of workspace {lease.workspace_id} is not open on this host.")
        return place, mark, lease.snapshot or bare(mark.base.commit or EMPTY)

    # Each step of a commit is one piece of work for a thread: to hand one over takes as long as to do a small one.
    def _draft(self, lease: WorkspaceLease, attempt_id: str, standing: Standing) -> tuple[Place, Draft]:
        place, mark, target = self._look(lease)
        attempt = place.attempt(attempt_id)
        if not mark.stands_at(target) or not attempt.is_dir():
            raise Fenced(f"The attempt {attempt_id} of workspace {lease.workspace_id} is no longer wanted here.")
        lowest = {root: self._lowest(mark, root) for root in ROOTS}
        made = draft_layers(attempt, lowest, standing, target, self._caps)
        if isinstance(made.pack, bytes):
            place.seal(attempt_id, made.at(sha256(made.pack).hexdigest()))
        return place, made

    def _apply(
        self, lease: WorkspaceLease, sealed: SealedAttempt, header: PackHeader | None
    ) -> tuple[Place, Mark, bool]:
        """Whether the base stands there now."""
        place, mark, _ = self._look(lease)
        if mark.stands_at(sealed.snapshot):
            self._rubbish.take(place.attempt(sealed.attempt_id))
            return place, mark, True
        applied = header is not None and self._bases.merge(place, mark, sealed.snapshot, header) == []
        return place, mark, applied

    def _lowest(self, mark: Mark, root: str) -> Path:
        return Path(mark.base_path) if root == "workspace" else self._home / EMPTY

    def _mounts(self, place: Place, mark: Mark, attempt: Path | None) -> tuple[OverlayMount, ...]:
        return tuple(
            OverlayMount(
                sources=(str(self._lowest(mark, root)), str(place.base / root)),
                target=TARGETS[root],
                upper=str(upper_of(attempt, root)) if attempt else None,
                work=str(work_of(attempt, root)) if attempt else None,
            )
            for root in ROOTS
        )
