"""The upper directories of a dead attempt, read into a delta and a pack."""

import os
import stat
from pathlib import Path

from adapters.beneath import open_plain
from adapters.workspaces.before import BeforeScan
from adapters.workspaces.packs import PackWriter
from adapters.workspaces.snapshots import Standing
from adapters.workspaces.tree import OPAQUE, OWNER, Tree, is_opaque, is_whiteout, make_whiteout, strip_marks, unlock
from domain.errors import OutOfSpace
from domain.snapshot import DeletedEntry, DirectoryEntry, Entry, FileEntry, LinkEntry, Manifest
from domain.value import Value

ROOT_MODES = {"workspace": 0o755, "home": 0o755, "tmp": 0o1777}
"""What the roots look like while nobody changes them."""


class DeltaCaps(Value):
    """How much one call may change; more ends the run with a message that says which cap it was."""

    files: int = 200_000
    bytes: int = 4 * 1024**3
    """By the length that files say they have, so that a sparse one counts in full."""
    names: int = 64 * 1024**2
    """Characters in all changed paths: deep trees of long names."""


class Scan:
    """One root after the other into one delta; `dropped` counts what no snapshot keeps."""

    def __init__(self, standing: Standing, writer: PackWriter, caps: DeltaCaps) -> None:
        self.delta: Manifest = {}
        self.dropped = 0
        self.before = BeforeScan(standing.before, writer)
        self._known = standing.manifest
        self._writer = writer
        self._caps = caps
        self._bytes = 0
        self._names = 0

    def add_root(self, name: str, upper: Path, base: Path) -> None:
        """`base` is the lowest layer, never what an earlier call made."""
        with Tree(upper, unlock=True) as changed, Tree(base) as lowest:
            try:
                _RootScan(self, name, changed, lowest).run()
            finally:
                changed.lock_again()

    def put(self, path: str, entry: Entry) -> None:
        self.delta[path] = entry
        self._names += len(path)
        if len(self.delta) > self._caps.files:
            raise _over(f"more than {self._caps.files} files and directories")
        if self._names > self._caps.names:
            raise _over(f"paths of more than {self._caps.names} characters in all")

    def known(self, path: str) -> Entry | None:
        return self._known.get(path)

    def keep(self, path: str, descriptor: int, found: os.stat_result) -> FileEntry:
        self._bytes += found.st_size
        if self._bytes > self._caps.bytes:
            raise _over(f"more than {self._caps.bytes} bytes of files")
        before = self._known.get(path)
        known = before if isinstance(before, FileEntry) and before.size == found.st_size else None
        address, size, here = self._writer.add(descriptor, found.st_size, known)
        return FileEntry(
            mode=stat.S_IMODE(found.st_mode),
            size=size,
            hash=address,
            pack="" if here or known is None else known.pack,
            mtime_ns=found.st_mtime_ns,
        )


class _RootScan:
    def __init__(self, scan: Scan, root: str, upper: Tree, base: Tree) -> None:
        self._scan = scan
        self._root = root
        self._upper = upper
        self._base = base

    def run(self) -> None:
        waiting: list[tuple[str, int | None]] = [("", ROOT_MODES[self._root])]
        while waiting:
            waiting += self._directory(*waiting.pop())

    def _directory(self, path: str, base_mode: int | None) -> list[tuple[str, int | None]]:
        """Records a directory and what lies in it; answers with the directories inside, and their modes in the base."""
        folder = self._upper.directory(path)
        found = os.fstat(folder)
        # A root that its owner may not enter would keep every later command from starting.
        mode = self._upper.mode(path) | (0 if path else OWNER)
        full = self._full(path)
        known = self._scan.known(full)
        opaque = bool(path) and self._settle_opaque(folder, known)
        strip_marks(folder, stat.S_IMODE(found.st_mode))
        entry = DirectoryEntry(mode=mode, opaque=opaque, base_mode=base_mode, mtime_ns=found.st_mtime_ns)
        self._scan.put(full, entry)
        hides = opaque or (isinstance(known, DirectoryEntry) and known.opaque)
        if opaque and base_mode is not None:
            self._scan.before.add_tree(self._base, path, full)
        visible = not hides and base_mode is not None
        with os.scandir(folder) as listing:
            names = sorted(child.name for child in listing)
        inner: list[tuple[str, int | None]] = []
        for name in names:
            child = f"{path}/{name}" if path else name
            shown = self._base.lstat(child) if visible else None
            if self._entry(folder, name, child, shown):
                inner.append((child, stat.S_IMODE(shown.st_mode) if shown and stat.S_ISDIR(shown.st_mode) else None))
        return inner

    def _settle_opaque(self, folder: int, known: Entry | None) -> bool:
        """Over a whiteout of a lower layer the kernel makes a plain directory; merged, it has to hide the base."""
        opaque = is_opaque(folder)
        if not opaque and known is not None and not isinstance(known, DirectoryEntry):
            os.setxattr(folder, OPAQUE, b"y")
            return True
        return opaque

    def _entry(self, folder: int, name: str, path: str, shown: os.stat_result | None) -> bool:
        """Records what is not a directory; `shown` is what the base has there and nothing hides. True: a directory."""
        found = os.stat(name, dir_fd=folder, follow_symlinks=False)
        if stat.S_ISDIR(found.st_mode):
            if shown and not stat.S_ISDIR(shown.st_mode):
                self._scan.before.add(self._base, path, self._full(path), shown)
            return True
        full = self._full(path)
        if shown:
            self._scan.before.add(self._base, path, full, shown)
        if stat.S_ISREG(found.st_mode):
            self._scan.put(full, self._file(folder, name, full))
        elif stat.S_ISLNK(found.st_mode):
            self._scan.put(full, LinkEntry(target=os.readlink(name, dir_fd=folder)))
        elif is_whiteout(found):
            self._scan.put(full, DeletedEntry(in_base=shown is not None))
        else:
            self._drop(folder, name, full, shown)
        return False

    def _file(self, folder: int, name: str, full: str) -> FileEntry:
        descriptor, found = open_unlocked(folder, name)
        try:
            strip_marks(descriptor, stat.S_IMODE(found.st_mode))
            return self._scan.keep(full, descriptor, found)
        finally:
            os.close(descriptor)

    def _drop(self, folder: int, name: str, full: str, shown: os.stat_result | None) -> None:
        """A pipe, socket or device is removed; where it stood over something, that is deleted."""
        self._scan.dropped += 1
        os.unlink(name, dir_fd=folder)
        known = self._scan.known(full)
        if shown or (known is not None and not isinstance(known, DeletedEntry)):
            make_whiteout(folder, name)
            self._scan.put(full, DeletedEntry(in_base=shown is not None))

    def _full(self, path: str) -> str:
        return f"{self._root}/{path}" if path else self._root


def open_unlocked(folder: int, name: str) -> tuple[int, os.stat_result]:
    """Opens a regular file, and says what it was before: one that its owner may not read is opened all the same."""
    try:
        return open_plain(folder, name)
    except PermissionError:
        found = os.stat(name, dir_fd=folder, follow_symlinks=False)
        unlock(folder, name)
        descriptor, _ = open_plain(folder, name)
        os.fchmod(descriptor, stat.S_IMODE(found.st_mode))
        return descriptor, found


def _over(what: str) -> OutOfSpace:
    return OutOfSpace(
        f"One call left {what}, which is the cap.", "Raise the cap, or have the agent write less at once."
    )
