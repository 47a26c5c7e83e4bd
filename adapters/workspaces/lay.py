"""Paths of a plain tree made what a snapshot says: from the checkout, the manifest and, last, the packs."""

import os
import stat
import time
from collections.abc import Iterable, Mapping

from adapters.beneath import CREATE, open_beneath, open_plain
from adapters.workspaces.apply import Owner, Trash
from adapters.workspaces.copying import Copying, settle
from adapters.workspaces.scan import ROOT_MODES
from adapters.workspaces.shown import Shown
from adapters.workspaces.sightings import Sight, made_ns, sight_of
from adapters.workspaces.tree import Tree
from domain.snapshot import DirectoryEntry, Entry, FileEntry, LinkEntry
from domain.workspace import ROOTS


class Lay:
    """`files` are left for the packs; directories get their modes in `finish`. `seen` is for the ledger, `gone` too."""

    def __init__(
        self, tree: Tree, lowest: Mapping[str, Tree], manifest: Mapping[str, Entry], trash: Trash, owner: Owner
    ) -> None:
        self.files: dict[str, FileEntry] = {}
        self.seen: dict[str, Sight] = {}
        self.gone: set[str] = set()
        self.folders: set[str] = set()
        self.leaves: set[str] = set()
        self._modes: dict[str, tuple[int, int | None]] = {}
        self._tree = tree
        self._shown = Shown(lowest, manifest)
        self._manifest = manifest
        self._named = _by_folder(manifest)
        self._trash = trash
        self._owner = owner
        self._copying = Copying()

    def all(self) -> None:
        """Into an empty tree."""
        for root in ROOTS:
            os.mkdir(root, 0o700, dir_fd=self._tree.directory(""))
            self._made(root)
            self._fill(root)

    def put(self, path: str) -> None:
        """Whatever is there goes first; the directory that it is in is there."""
        self._clear(path)
        self.folders.add(path.rpartition("/")[0])
        if self._make(path):
            self._fill(path)

    def is_there(self, path: str) -> bool:
        return self._shown.is_there(self._tree, path)

    def is_folder(self, path: str) -> bool:
        """Whether it is to be a directory."""
        entry = self._manifest.get(path)
        shown = self._shown.at(path) if entry is None else None
        wanted = isinstance(entry, DirectoryEntry) or (shown is not None and stat.S_ISDIR(shown.st_mode))
        return wanted or path in ROOTS

    def settle(self) -> None:
        """The last that is asked of the checkout: what the directories are to be like."""
        self._modes = {path: self._mode(path) for path in self.folders if path}

    def _mode(self, path: str) -> tuple[int, int | None]:
        """Mode and modification time."""
        entry = self._manifest.get(path)
        if isinstance(entry, DirectoryEntry):
            return entry.mode, entry.mtime_ns
        shown = self._shown.at(path)
        if shown is not None:
            return stat.S_IMODE(shown.st_mode), shown.st_mtime_ns
        return ROOT_MODES.get(path, 0o755), None

    def _fill(self, top: str) -> None:
        waiting = [top]
        while waiting:
            folder = waiting.pop()
            names = set(self._named.get(folder, ()))
            if self._shown.is_open(folder):
                names |= self._base_names(folder)
            waiting += [path for name in sorted(names) if self._make(path := f"{folder}/{name}")]

    def _base_names(self, folder: str) -> set[str]:
        root, _, inner = folder.partition("/")
        try:
            listing = os.scandir(self._shown.lowest[root].directory(inner))
        except (FileNotFoundError, NotADirectoryError):
            return set()
        with listing:
            return {child.name for child in listing}

    def _make(self, path: str) -> bool:
        """True: a directory was made, which is to be filled. Nothing is at that path."""
        entry = self._manifest.get(path)
        if isinstance(entry, FileEntry):
            self.files[path] = entry
            self.leaves.add(path)
            return False
        if isinstance(entry, LinkEntry):
            self._link(path, entry.target)
            return False
        if isinstance(entry, DirectoryEntry):
            return self._new_folder(path)
        shown = self._shown.at(path) if entry is None else None
        if shown is None:
            return False
        if stat.S_ISDIR(shown.st_mode):
            return self._new_folder(path)
        root, _, inner = path.partition("/")
        folder, name = self._shown.lowest[root].parent(inner)
        if stat.S_ISLNK(shown.st_mode):
            self._link(path, os.readlink(name, dir_fd=folder))
        elif stat.S_ISREG(shown.st_mode):
            self._copy(path, folder, name)
        return False

    def _copy(self, path: str, folder: int, name: str) -> None:
        source, found = open_plain(folder, name)
        try:
            above, own_name = self._tree.parent(path)
            target = open_beneath(above, own_name, CREATE)
            try:
                self._copying.content(source, target, found)
                settle(target, stat.S_IMODE(found.st_mode), found.st_mtime_ns, self._owner)
                self.seen[path] = sight_of(os.fstat(target), time.time_ns())
            finally:
                os.close(target)
        finally:
            os.close(source)

    def _link(self, path: str, target: str) -> None:
        above, name = self._tree.parent(path)
        os.symlink(target, name, dir_fd=above)
        if self._owner is not None:
            os.chown(name, self._owner, self._owner, dir_fd=above, follow_symlinks=False)
        self.leaves.add(path)

    def _new_folder(self, path: str) -> bool:
        above, name = self._tree.parent(path)
        os.mkdir(name, 0o700, dir_fd=above)
        self._made(path)
        return True

    def _made(self, path: str) -> None:
        if self._owner is not None:
            os.fchown(self._tree.directory(path), self._owner, self._owner)
        self.folders.add(path)

    def _clear(self, path: str) -> None:
        self.gone.add(path)
        above, name = self._tree.parent(path)
        try:
            os.unlink(name, dir_fd=above)
        except FileNotFoundError:
            return
        except (IsADirectoryError, PermissionError):
            self._trash.take(above, name)
            self._tree.forget(path)

    def finish(self, tree: Tree) -> None:
        """After the packs' files were written: what directories are, from the deepest up, and how it all looks."""
        now_ns = time.time_ns()
        for path in self.leaves:
            if (found := tree.lstat(path)) is not None:
                self.seen[path] = sight_of(found, now_ns)
        for path in sorted(self._modes, reverse=True):
            try:
                folder = tree.directory(path)
            except (FileNotFoundError, NotADirectoryError):
                continue
            mode, mtime_ns = self._modes[path]
            os.fchmod(folder, mode)
            if mtime_ns is not None:
                os.utime(folder, ns=(mtime_ns, mtime_ns))
            tree.unlocked.pop(path, None)
            self.seen[path] = sight_of(os.fstat(folder), now_ns, made_ns(folder))


def _by_folder(paths: Iterable[str]) -> dict[str, list[str]]:
    named: dict[str, list[str]] = {}
    for path in paths:
        above, _, name = path.rpartition("/")
        if above:
            named.setdefault(above, []).append(name)
    return named
