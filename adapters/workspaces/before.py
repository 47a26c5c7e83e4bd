"""What the base had where a call changed something first, kept in the pack: a diff then needs no checkout."""

import hashlib
import os
import stat

from adapters.beneath import open_plain
from adapters.workspaces.packs import PackWriter, read_chunks
from adapters.workspaces.tree import Tree
from domain.snapshot import FileEntry, Manifest

SHOWN_BYTES = 1024**2
"""Content of larger files is not kept: only that they were there, and their hash."""
TREE_FILES = 2_000
TREE_BYTES = 16 * 1024**2
"""Below deleted directories no more than this is kept by one call."""


class BeforeScan:
    def __init__(self, known: Manifest, writer: PackWriter) -> None:
        self.found: Manifest = {}
        self._known = known
        self._writer = writer
        self._tree_files = 0
        self._tree_bytes = 0

    def add(self, base: Tree, path: str, full: str, shown: os.stat_result) -> None:
        """A file, or a directory with all files in it, that is about to be hidden."""
        if stat.S_ISREG(shown.st_mode):
            self._file(base, path, full, shown)
        elif stat.S_ISDIR(shown.st_mode):
            self.add_tree(base, path, full)

    def add_tree(self, base: Tree, path: str, full: str) -> None:
        waiting = [(path, full)] if _is_shown(full + "/") else []
        while waiting and self._tree_files < TREE_FILES and self._tree_bytes < TREE_BYTES:
            inner, inner_full = waiting.pop()
            folder = base.directory(inner)
            with os.scandir(folder) as listing:
                children = sorted((child.name, child.stat(follow_symlinks=False)) for child in listing)
            for name, found in children:
                child, child_full = f"{inner}/{name}", f"{inner_full}/{name}"
                if stat.S_ISDIR(found.st_mode):
                    waiting.append((child, child_full))
                elif stat.S_ISREG(found.st_mode) and self._tree_files < TREE_FILES:
                    self._tree_files += 1
                    self._tree_bytes += min(found.st_size, SHOWN_BYTES)
                    self._file(base, child, child_full, found)

    def _file(self, base: Tree, path: str, full: str, shown: os.stat_result) -> None:
        if not _is_shown(full) or full in self._known or full in self.found:
            return
        folder, name = base.parent(path)
        descriptor, _ = open_plain(folder, name)
        try:
            address = self._content(descriptor, shown.st_size)
        finally:
            os.close(descriptor)
        mode = stat.S_IMODE(shown.st_mode)
        entry = FileEntry(mode=mode, size=shown.st_size, hash=address, pack="", mtime_ns=shown.st_mtime_ns)
        self.found[full] = entry

    def _content(self, descriptor: int, size: int) -> str:
        if size <= SHOWN_BYTES:
            return self._writer.add(descriptor, size)[0]
        digest = hashlib.sha256()
        for chunk in read_chunks(descriptor):
            digest.update(chunk)
        return digest.hexdigest()


def _is_shown(full: str) -> bool:
    """Diffs are of the workspace, without git's own files."""
    return full.startswith("workspace/") and not full.startswith("workspace/.git/")
