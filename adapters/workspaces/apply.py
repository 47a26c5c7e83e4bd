"""A committed attempt's upper directories, merged into the base in overlay form by renames.

Whatever stopped it, doing it again leads to the same base: what the upper no longer has was moved already.
"""

import os
import stat
from collections.abc import Mapping
from pathlib import Path

from adapters.workspaces.tree import OPAQUE, Tree, is_whiteout, make_whiteout, move, remove
from domain.snapshot import DeletedEntry, DirectoryEntry, Entry, FileEntry, LinkEntry, Manifest

Owner = int | None
"""The uid that all files in a base get, where it is not our own."""


class Trash:
    """A directory beside the upper, on the same disk, that takes whole trees in one rename."""

    def __init__(self, folder: int) -> None:
        self._folder = folder
        with os.scandir(folder) as listing:
            self._number = sum(1 for _ in listing)

    def take(self, above: int, name: str) -> None:
        self._number += 1
        remove(self._folder, str(self._number))
        move(above, name, self._folder, str(self._number))


class RootMerge:
    """One root of one attempt. `missing` are files that are neither in the upper nor in the base: see the packs."""

    def __init__(self, upper: Tree, base: Tree, trash: Trash, owner: Owner) -> None:
        self.missing: list[str] = []
        self._upper = upper
        self._base = base
        self._trash = trash
        self._owner = owner
        self._moved: set[str] = set()
        """Directories that came over whole just now."""
        self._gone: set[str] = set()
        """Directories that the upper does not have any more: an earlier, interrupted merge took them."""
        self._locked: set[str] = set()
        """Directories that had to be made writable to be moved."""

    def run(self, delta: Mapping[str, Entry]) -> None:
        """`delta` by paths below the root; a parent stands in it where a child does."""
        for path in sorted(delta):
            if path:
                self._merge(path, delta[path])
        as_they_came = self._moved - self._locked - self._base.unlocked.keys()
        set_modes(self._base, {path: entry for path, entry in delta.items() if path not in as_they_came})

    def _merge(self, path: str, entry: Entry) -> None:
        above = path.rpartition("/")[0]
        if above in self._moved:
            if isinstance(entry, DirectoryEntry):
                self._moved.add(path)
            elif isinstance(entry, DeletedEntry) and not entry.in_base:
                self._clear(path)
        elif isinstance(entry, DirectoryEntry):
            self._directory(path, entry, gone=above in self._gone)
        elif isinstance(entry, DeletedEntry) and not entry.in_base:
            self._clear(path)
        elif above in self._gone or not self._move(path):
            self._verify(path, entry)

    def _directory(self, path: str, entry: DirectoryEntry, *, gone: bool) -> None:
        there = self._base.lstat(path)
        if gone or self._upper.lstat(path) is None:
            self._gone.add(path)
            if there is None or not stat.S_ISDIR(there.st_mode):
                self._clear(path)
                place(self._base, path, entry, self._owner)
            return
        if there is not None and stat.S_ISDIR(there.st_mode) and not entry.opaque:
            return
        self._clear(path)
        if not entry.mode & stat.S_IWUSR:
            self._upper.unlock(path)
            self._locked.add(path)
        self._move(path)
        self._moved.add(path)

    def _move(self, path: str) -> bool:
        source, name = self._upper.parent(path)
        # Out of the way first: a rename over a file makes ext4 write the new one out at once.
        if self._upper.lstat(path) is None:
            return False
        self._clear(path)
        target, _ = self._base.parent(path)
        move(source, name, target, name)
        self._upper.forget(path)
        return True

    def _clear(self, path: str) -> None:
        above, name = self._base.parent(path)
        try:
            os.unlink(name, dir_fd=above)
        except FileNotFoundError:
            return
        except (IsADirectoryError, PermissionError):
            self._trash.take(above, name)
            self._base.forget(path)

    def _verify(self, path: str, entry: Entry) -> None:
        found = self._base.lstat(path)
        if found is not None and is_as(self._base, path, found, entry):
            return
        self._clear(path)
        if isinstance(entry, FileEntry):
            self.missing.append(path)
        else:
            place(self._base, path, entry, self._owner)


def merge_attempt(attempt: Path, base: Path, delta: Mapping[str, Entry], owner: Owner) -> list[str]:
    """Merges all roots; answers with the files that only the packs still have."""
    missing: list[str] = []
    rubbish = attempt / "trash"
    rubbish.mkdir(mode=0o700, exist_ok=True)
    with Tree(rubbish) as folder:
        trash = Trash(folder.directory(""))
        for root, entries in split(delta).items():
            with Tree(attempt / f"{root}.up", unlock=True) as upper, Tree(base / root, unlock=True) as tree:
                merge = RootMerge(upper, tree, trash, owner)
                merge.run(entries)
                missing += [f"{root}/{path}" for path in merge.missing]
    return missing


def split(manifest: Mapping[str, Entry]) -> dict[str, Manifest]:
    """By root, with paths below it."""
    roots: dict[str, Manifest] = {}
    for path, entry in manifest.items():
        root, _, below = path.partition("/")
        roots.setdefault(root, {})[below] = entry
    return roots


def is_as(tree: Tree, path: str, found: os.stat_result, entry: Entry) -> bool:
    """Whether a path of the base is what an entry says; files by size and time, which a rename keeps."""
    if isinstance(entry, FileEntry):
        same = found.st_size == entry.size and found.st_mtime_ns == entry.mtime_ns
        return stat.S_ISREG(found.st_mode) and same
    if isinstance(entry, LinkEntry):
        above, name = tree.parent(path)
        return stat.S_ISLNK(found.st_mode) and os.readlink(name, dir_fd=above) == entry.target
    if isinstance(entry, DeletedEntry):
        return is_whiteout(found)
    return stat.S_ISDIR(found.st_mode)


def place(tree: Tree, path: str, entry: Entry, owner: Owner) -> None:
    """Makes what has no content; nothing is there. A directory gets its mode when all in it stands."""
    above, name = tree.parent(path)
    if isinstance(entry, DirectoryEntry):
        os.mkdir(name, 0o700, dir_fd=above)
        if entry.opaque:
            os.setxattr(tree.directory(path), OPAQUE, b"y")
    elif isinstance(entry, LinkEntry):
        os.symlink(entry.target, name, dir_fd=above)
    elif isinstance(entry, DeletedEntry):
        make_whiteout(above, name)
    if owner is not None:
        above, name = tree.parent(path)
        os.chown(name, owner, owner, dir_fd=above, follow_symlinks=False)


def set_modes(tree: Tree, entries: Mapping[str, Entry]) -> None:
    """Last of all, from the deepest up: modes that would have been in the way, and times."""
    for path in sorted(entries, reverse=True):
        entry = entries[path]
        if not isinstance(entry, DirectoryEntry):
            continue
        folder = tree.directory(path)
        os.fchmod(folder, entry.mode)
        os.utime(folder, ns=(entry.mtime_ns, entry.mtime_ns))
        tree.unlocked.pop(path, None)


def set_all_modes(base: Path, manifest: Mapping[str, Entry]) -> None:
    for root, entries in split(manifest).items():
        with Tree(base / root, unlock=True) as tree:
            set_modes(tree, entries)
