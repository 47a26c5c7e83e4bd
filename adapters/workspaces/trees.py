"""A plain tree is brought to a snapshot: what differs is made again, and only that where it is known what does."""

import asyncio
from collections.abc import Iterable, Mapping
from contextlib import ExitStack
from dataclasses import dataclass
from pathlib import Path

from adapters.workspaces.apply import Owner, Trash
from adapters.workspaces.census import Census
from adapters.workspaces.lay import Lay
from adapters.workspaces.layout import generations, make_directory
from adapters.workspaces.ledger import Ledger, TreeMark
from adapters.workspaces.locks import in_thread
from adapters.workspaces.restore import write_files
from adapters.workspaces.rubbish import Rubbish
from adapters.workspaces.scan import DeltaCaps
from adapters.workspaces.seal import Draft, draft
from adapters.workspaces.shown import lowest_trees
from adapters.workspaces.sightings import SETTLING_NS
from adapters.workspaces.snapshots import PackSnapshots, Standing
from adapters.workspaces.tree import Tree
from adapters.workspaces.walk import ENTERABLE, Difference, Walk
from domain.errors import Fenced
from domain.snapshot import DirectoryEntry, Entry, Manifest, SnapshotRef
from domain.workspace import ROOTS

TREE = "tree"
LEDGER = "ledger"
MOVING = "moving"
"""In a mark, instead of an attempt: the tree is on its way to another snapshot."""


@dataclass(frozen=True, slots=True)
class TreePlace:
    """One generation of one workspace: `<path>/tree/<root>/`, and the ledger beside it."""

    path: Path
    ledger: Ledger

    @property
    def tree(self) -> Path:
        return self.path / TREE


class Trees:
    """Every method wants the workspace's lock held alone."""

    def __init__(self, snapshots: PackSnapshots, owner: Owner, rubbish: Rubbish, empty: Path, caps: DeltaCaps) -> None:
        self._snapshots = snapshots
        self._owner = owner
        self._rubbish = rubbish
        self._empty = empty
        self._caps = caps

    async def adopt(self, place: TreePlace, wanted: TreeMark, target: SnapshotRef) -> bool:
        """Takes over what an earlier generation left on this host, unless somebody may still be writing there."""
        found = await in_thread(generations, place.path.parent)
        if not found:
            return False
        if found[-1] > int(place.path.name):
            raise Fenced(f"A newer generation of the workspace in {place.path.parent.name} is open on this host.")
        path = place.path.with_name(str(found[-1]))
        old = TreePlace(path, Ledger(path / LEDGER))
        mark = await in_thread(old.ledger.mark)
        if mark is None or mark.base != wanted.base or not mark.is_sound:
            return False
        # The same generation opened again is another try of the same opening: nobody was let in yet.
        if (mark.applying is not None and path != place.path) or not await self._is_near(mark, target):
            return False
        await self.bring(old, mark, target)
        await in_thread(_take_over, old, place, wanted.model_copy(update={"snapshot": target}))
        return True

    async def bring(self, place: TreePlace, mark: TreeMark, target: SnapshotRef) -> None:
        """Looks at the whole tree: whoever wrote there must be dead by now."""
        if not mark.is_sound or not await self._is_near(mark, target) or not await in_thread(_has_roots, place):
            await self.make(place, mark, target)
            return
        if mark.applying is None:
            # From here to the end the tree stands nowhere.
            mark = mark.model_copy(update={"applying": MOVING})
            await in_thread(place.ledger.set, mark)
        delta = await self._between(mark, target)
        manifest = (await self._snapshots.standing(target)).manifest
        lay = await in_thread(self._undo, place, mark, manifest, delta)
        await self._finish(place, lay)
        standing = mark.model_copy(update={"snapshot": target, "applying": None, "worker": ""})
        await in_thread(place.ledger.set, standing, lay.seen, lay.gone)
        await in_thread(self._rubbish.take, place.path / "trash")

    async def make(self, place: TreePlace, wanted: TreeMark, target: SnapshotRef) -> None:
        """From the checkout and packs. What stops it leaves no mark that stands anywhere, and it is made again."""
        nowhere = TreeMark(base=wanted.base, base_path=wanted.base_path)
        manifest = (await self._snapshots.standing(target)).manifest
        lay = await in_thread(self._lay_all, place, nowhere, manifest)
        await self._finish(place, lay)
        # From now on a change shows in the ctime of whatever is changed.
        await asyncio.sleep(2 * SETTLING_NS / 10**9)
        settled = {path: (*sight[:4], 1) for path, sight in lay.seen.items()}
        standing = nowhere.model_copy(update={"snapshot": target})
        await in_thread(place.ledger.begin_anew, standing, settled)

    def draft(self, place: TreePlace, mark: TreeMark, standing: Standing, parent: SnapshotRef) -> tuple[Draft, Census]:
        """Blocks."""
        with ExitStack() as stack:
            tree = stack.enter_context(Tree(place.tree, unlock=True, rights=ENTERABLE))
            stack.callback(tree.lock_again)
            lowest = self._lowest(stack, mark)
            census = Census(tree, lowest, standing.manifest, place.ledger.sightings, self._owner)
            return draft(place.path, standing, parent, self._caps, census.take), census

    async def _is_near(self, mark: TreeMark, target: SnapshotRef) -> bool:
        """Whether one pack at most lies between the two."""
        if mark.snapshot is None or mark.snapshot == target:
            return mark.snapshot is not None
        return await self._parent(target) == mark.snapshot or await self._parent(mark.snapshot) == target

    async def _between(self, mark: TreeMark, target: SnapshotRef) -> Manifest:
        nothing: Manifest = {}
        if mark.snapshot is None or mark.snapshot == target:
            return nothing
        later = target if await self._parent(target) == mark.snapshot else mark.snapshot
        return (await self._snapshots.pack(later.pack)).header.delta if later.pack else nothing

    async def _parent(self, ref: SnapshotRef) -> SnapshotRef | None:
        return (await self._snapshots.pack(ref.pack)).header.parent if ref.pack else None

    def _undo(self, place: TreePlace, mark: TreeMark, manifest: Manifest, delta: Mapping[str, Entry]) -> Lay:
        trash = place.path / "trash"
        trash.mkdir(mode=0o700, exist_ok=True)
        with ExitStack() as stack:
            tree = stack.enter_context(Tree(place.tree, unlock=True, rights=ENTERABLE))
            differences = Walk(tree, place.ledger.sightings).run()
            entered = set(tree.unlocked)
            tree = stack.enter_context(Tree(place.tree, unlock=True))
            bin_ = stack.enter_context(Tree(trash))
            lay = Lay(tree, self._lowest(stack, mark), manifest, Trash(bin_.directory("")), self._owner)
            _put_all(lay, tree, _wanted(differences, delta, lay))
            lay.folders |= entered | set(tree.unlocked)
            lay.settle()
            return lay

    def _lay_all(self, place: TreePlace, nowhere: TreeMark, manifest: Manifest) -> Lay:
        passage = 0o711 if self._owner is not None else 0o700
        make_directory(place.path, passage, None)
        place.ledger.begin_anew(nowhere, {})
        self._rubbish.take(place.tree)
        make_directory(place.tree, passage, None)
        trash = place.path / "trash"
        trash.mkdir(mode=0o700, exist_ok=True)
        with ExitStack() as stack:
            tree = stack.enter_context(Tree(place.tree))
            bin_ = stack.enter_context(Tree(trash))
            lay = Lay(tree, self._lowest(stack, nowhere), manifest, Trash(bin_.directory("")), self._owner)
            lay.all()
            lay.settle()
            return lay

    async def _finish(self, place: TreePlace, lay: Lay) -> None:
        await write_files(place.tree, lay.files, self._snapshots, self._owner)
        await in_thread(_finish, place.tree, lay)

    def _lowest(self, stack: ExitStack, mark: TreeMark) -> dict[str, Tree]:
        trees = lowest_trees(Path(mark.base_path), self._empty)
        for tree in trees.values():
            stack.enter_context(tree)
        return trees


def _wanted(differences: Iterable[Difference], delta: Mapping[str, Entry], lay: Lay) -> tuple[set[str], set[str]]:
    """Directories whose own mode and time may differ, and paths that are to be put anew."""
    folders: set[str] = set()
    paths: set[str] = set()
    for one in differences:
        if one.how == "folder":
            folders.add(one.path)
        elif one.how == "unsettled" and lay.is_there(one.path):
            lay.leaves.add(one.path)
        else:
            paths.add(one.path)
    for path, entry in delta.items():
        if "/" not in path or (isinstance(entry, DirectoryEntry) and not entry.opaque and lay.is_folder(path)):
            folders.add(path)
        else:
            paths.add(path)
    return folders, paths


def _put_all(lay: Lay, tree: Tree, found: tuple[set[str], set[str]]) -> None:
    folders, paths = found
    put: set[str] = set()
    for path in sorted(folders | paths):
        above = path.rpartition("/")[0]
        if above in put:
            put.add(path)
            continue
        try:
            tree.directory(above)
        except (FileNotFoundError, NotADirectoryError):
            continue
        if path in paths or not _is_folder(tree, path):
            lay.put(path)
            put.add(path)
        else:
            lay.folders.add(path)


def _is_folder(tree: Tree, path: str) -> bool:
    try:
        tree.directory(path)
    except (FileNotFoundError, NotADirectoryError):
        return False
    return True


def _has_roots(place: TreePlace) -> bool:
    return all((place.tree / root).is_dir() for root in ROOTS)


def _finish(path: Path, lay: Lay) -> None:
    with Tree(path, unlock=True) as tree:
        lay.finish(tree)
        tree.lock_again()


def _take_over(old: TreePlace, place: TreePlace, mark: TreeMark) -> None:
    if old.path != place.path:
        old.path.rename(place.path)
    place.ledger.mark()
    place.ledger.set(mark)
