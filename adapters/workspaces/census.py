"""What an attempt changed in a plain tree, as the delta that an overlay's upper directories would have been."""

import os
import secrets
import stat
import time
from collections.abc import Iterable, Mapping

from adapters.beneath import CREATE, open_beneath
from adapters.workspaces.apply import Owner
from adapters.workspaces.copying import Copying, settle
from adapters.workspaces.scan import Scan, open_unlocked
from adapters.workspaces.shown import Shown
from adapters.workspaces.sightings import Sight, Sightings, made_ns, sight_of
from adapters.workspaces.tree import OWNER, Tree
from adapters.workspaces.walk import Difference, Walk
from domain.snapshot import DeletedEntry, DirectoryEntry, Entry, LinkEntry


class Census:
    """Changes the tree where no snapshot can hold what it has: pipes, sockets and devices go, hard links part.

    `seen` and `gone` is what a ledger has to know then.
    """

    def __init__(
        self, tree: Tree, lowest: Mapping[str, Tree], known: Mapping[str, Entry], sightings: Sightings, owner: Owner
    ) -> None:
        self.seen: dict[str, Sight] = {}
        self.gone: set[str] = set()
        self._now = time.time_ns()
        self._tree = tree
        self._shown = Shown(lowest, known)
        self._known = known
        self._sightings = sightings
        self._owner = owner
        self._copying = Copying()
        self._leaves: set[str] = set()
        self._folders: set[str] = set()

    def take(self, scan: Scan) -> None:
        differences = Walk(self._tree, self._sightings).run()
        for one in differences:
            if one.how == "new":
                self._hide(one.path)
        for one in differences:
            self._difference(scan, one)
        for path in list(scan.delta):
            self._above(scan, path)
        self.seen = look(self._tree, self._leaves, self._folders, self._now)

    def _hide(self, path: str) -> None:
        found = self._tree.lstat(path)
        if found is not None and stat.S_ISDIR(found.st_mode):
            self._shown.hide(path)

    def _difference(self, scan: Scan, one: Difference) -> None:
        if one.how == "folder":
            self._folder(scan, one.path, fresh=False)
        elif one.how == "gone":
            self._gone(scan, one.path)
        elif one.how == "new":
            self._new(scan, one.path)
        elif one.how == "touched" or not self._shown.is_there(self._tree, one.path):
            self._leaf(scan, one.path, self._shown.at(one.path))
        else:
            self._leaves.add(one.path)

    def _gone(self, scan: Scan, path: str) -> None:
        self.gone.add(path)
        shown = self._shown.at(path)
        if shown is not None:
            self._before(scan, path, shown)
        scan.put(path, DeletedEntry(in_base=shown is not None))

    def _new(self, scan: Scan, path: str) -> None:
        """A file, or a directory with all that it holds."""
        shown = self._shown.at(path)
        if self._sightings.get(path) is not None:
            self.gone.add(path)
        if not self._is_folder(path):
            self._leaf(scan, path, shown)
            return
        if shown is not None:
            self._before(scan, path, shown)
        waiting = [path]
        while waiting:
            folder = waiting.pop()
            self._folder(scan, folder, fresh=folder == path)
            with os.scandir(self._tree.directory(folder)) as listing:
                inside = sorted((child.name, child.is_dir(follow_symlinks=False)) for child in listing)
            for name, is_folder in inside:
                child = f"{folder}/{name}"
                if is_folder:
                    waiting.append(child)
                else:
                    self._leaf(scan, child, None)

    def _leaf(self, scan: Scan, path: str, shown: os.stat_result | None) -> None:
        above, name = self._tree.parent(path)
        found = os.stat(name, dir_fd=above, follow_symlinks=False)
        if shown is not None:
            self._before(scan, path, shown)
            above, name = self._tree.parent(path)
        if stat.S_ISREG(found.st_mode):
            self._file(scan, path, above, name)
        elif stat.S_ISLNK(found.st_mode):
            scan.put(path, LinkEntry(target=os.readlink(name, dir_fd=above)))
        else:
            self._drop(scan, path, shown)
            return
        self._leaves.add(path)

    def _file(self, scan: Scan, path: str, above: int, name: str) -> None:
        descriptor, found = open_unlocked(above, name)
        try:
            scan.put(path, scan.keep(path, descriptor, found))
            if found.st_nlink > 1:
                self._part(path, descriptor, found)
        finally:
            os.close(descriptor)

    def _part(self, path: str, descriptor: int, found: os.stat_result) -> None:
        """A hard link gets a file of its own: in a snapshot the names have nothing to do with each other."""
        folder = path.rpartition("/")[0]
        if not stat.S_IMODE(os.fstat(self._tree.directory(folder)).st_mode) & stat.S_IWUSR:
            self._tree.unlock(folder)
        above, name = self._tree.parent(path)
        part = f".{secrets.token_hex(8)}.part"
        copy = open_beneath(above, part, CREATE)
        try:
            os.lseek(descriptor, 0, os.SEEK_SET)
            self._copying.content(descriptor, copy, found)
            settle(copy, stat.S_IMODE(found.st_mode), found.st_mtime_ns, self._owner)
        finally:
            os.close(copy)
        os.rename(part, name, src_dir_fd=above, dst_dir_fd=above)
        self._folders.add(folder)

    def _drop(self, scan: Scan, path: str, shown: os.stat_result | None) -> None:
        scan.dropped += 1
        folder = path.rpartition("/")[0]
        if not stat.S_IMODE(os.fstat(self._tree.directory(folder)).st_mode) & stat.S_IWUSR:
            self._tree.unlock(folder)
        above, name = self._tree.parent(path)
        os.unlink(name, dir_fd=above)
        self._folders.add(folder)
        self.gone.add(path)
        known = self._known.get(path)
        if shown is not None or (known is not None and not isinstance(known, DeletedEntry)):
            scan.put(path, DeletedEntry(in_base=shown is not None))

    def _folder(self, scan: Scan, path: str, *, fresh: bool) -> None:
        folder = self._tree.directory(path)
        found = os.fstat(folder)
        mode = self._tree.mode(path)
        if "/" not in path and mode & OWNER != OWNER:
            # A root that its owner may not enter would keep every later command from starting.
            mode |= OWNER
            self._tree.unlocked.pop(path, None)
            os.fchmod(folder, mode)
        base_mode = self._shown.folder_mode(path)
        opaque = fresh and (base_mode is not None or path in self.gone or path in self._known)
        scan.put(path, DirectoryEntry(mode=mode, opaque=opaque, base_mode=base_mode, mtime_ns=found.st_mtime_ns))
        self._folders.add(path)

    def _above(self, scan: Scan, path: str) -> None:
        above = path.rpartition("/")[0]
        while above and above not in scan.delta:
            self._folder(scan, above, fresh=False)
            above = above.rpartition("/")[0]

    def _before(self, scan: Scan, path: str, shown: os.stat_result) -> None:
        root, _, inner = path.partition("/")
        scan.before.add(self._shown.lowest[root], inner, path, shown)

    def _is_folder(self, path: str) -> bool:
        found = self._tree.lstat(path)
        return found is not None and stat.S_ISDIR(found.st_mode)


def look(tree: Tree, leaves: Iterable[str], folders: Iterable[str], now_ns: int) -> dict[str, Sight]:
    """Sights of what is there, once nothing is changed any more; gives directories back the modes that they had."""
    seen: dict[str, Sight] = {}
    for path in sorted(leaves):
        found = tree.lstat(path)
        if found is not None:
            seen[path] = sight_of(found, now_ns)
    for path in sorted({*folders, *tree.unlocked}, reverse=True):
        folder = tree.directory(path)
        if (mode := tree.unlocked.pop(path, None)) is not None:
            os.fchmod(folder, mode)
        if path:
            seen[path] = sight_of(os.fstat(folder), now_ns, made_ns(folder))
    return seen
