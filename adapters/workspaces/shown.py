"""What the lowest layer shows below a manifest's entries, and what a whole workspace has at a path therefore."""

import hashlib
import os
import stat
from collections.abc import Mapping
from pathlib import Path

from adapters.beneath import open_plain
from adapters.workspaces.packs import read_chunks
from adapters.workspaces.scan import ROOT_MODES, open_unlocked
from adapters.workspaces.tree import Tree
from domain.snapshot import DirectoryEntry, Entry, FileEntry, LinkEntry


class Shown:
    """Paths start with their root."""

    def __init__(self, lowest: Mapping[str, Tree], manifest: Mapping[str, Entry]) -> None:
        self.lowest = lowest
        self._hiding: set[str] = set()
        self._manifest = manifest
        self._open: dict[str, bool] = {}

    def at(self, path: str) -> os.stat_result | None:
        """What the lowest layer has there and nothing above it hides."""
        above = path.rpartition("/")[0]
        return self.below(path) if above and self.is_open(above) else None

    def below(self, path: str) -> os.stat_result | None:
        root, _, inner = path.partition("/")
        return self.lowest[root].lstat(inner)

    def hide(self, folder: str) -> None:
        """A directory that was made anew hides what the lowest layer has there, like those that a manifest names."""
        self._hiding.add(folder)
        self._open.clear()

    def is_open(self, folder: str) -> bool:
        """Whether what the lowest layer has in a directory can be seen."""
        asked: list[str] = []
        at, answer = folder, True
        while "/" in at:
            if (known := self._open.get(at)) is not None:
                answer = known
                break
            entry = self._manifest.get(at)
            if at in self._hiding or (entry is not None and (not isinstance(entry, DirectoryEntry) or entry.opaque)):
                answer = False
                break
            asked.append(at)
            at = at.rpartition("/")[0]
        self._open.update(dict.fromkeys(asked, answer))
        return answer

    def folder_mode(self, path: str) -> int | None:
        """Of the lowest layer's own directory there."""
        if "/" not in path:
            return ROOT_MODES[path]
        found = self.at(path)
        return stat.S_IMODE(found.st_mode) if found and stat.S_ISDIR(found.st_mode) else None

    def is_there(self, tree: Tree, path: str) -> bool:
        """Whether a file or link of a whole tree is what the manifest and the lowest layer say; reads both."""
        entry = self._manifest.get(path)
        above, name = tree.parent(path)
        found = os.stat(name, dir_fd=above, follow_symlinks=False)
        if stat.S_ISLNK(found.st_mode):
            target = os.readlink(name, dir_fd=above)
            return entry == LinkEntry(target=target) if entry else self._link(path) == target
        if entry is not None and not isinstance(entry, FileEntry):
            return False
        if entry is not None:
            same = entry.size == found.st_size and entry.mode == stat.S_IMODE(found.st_mode)
            return same and entry.hash == _hash_in(tree, path)
        base = self.at(path)
        if base is None or base.st_size != found.st_size or base.st_mode != found.st_mode:
            return False
        root, _, inner = path.partition("/")
        folder, name = self.lowest[root].parent(inner)
        descriptor, _ = open_plain(folder, name)
        return _hash(descriptor) == _hash_in(tree, path)

    def _link(self, path: str) -> str | None:
        base = self.at(path)
        if base is None or not stat.S_ISLNK(base.st_mode):
            return None
        root, _, inner = path.partition("/")
        folder, name = self.lowest[root].parent(inner)
        return os.readlink(name, dir_fd=folder)


def lowest_trees(base_path: Path, empty: Path) -> dict[str, Tree]:
    """Both are ours; the caller closes them."""
    return {"workspace": Tree(base_path), "home": Tree(empty), "tmp": Tree(empty)}


def _hash_in(tree: Tree, path: str) -> str:
    above, name = tree.parent(path)
    descriptor, _ = open_unlocked(above, name)
    return _hash(descriptor)


def _hash(descriptor: int) -> str:
    digest = hashlib.sha256()
    try:
        for chunk in read_chunks(descriptor):
            digest.update(chunk)
    finally:
        os.close(descriptor)
    return digest.hexdigest()
