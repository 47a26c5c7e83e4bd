"""How much a command has added to the disk while it still runs, seen from outside and not to be fooled by it."""

import os
import stat
from collections.abc import Callable, Generator, Sequence
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field
from pathlib import Path

from domain.sandbox import Mount, OverlayMount, SandboxLimits, WritableMount

DEEPEST = 64
"""Directories below this one are judged by the file system's own figures, as are those that cannot be read."""
BLOCK = 512
HURRY = 4
"""A look is made early where this part of what is allowed has gone."""

Pids = Callable[[], list[int]]


@dataclass
class Use:
    """`whole` where all of the tree was seen."""

    size: int = 0
    files: int = 0
    whole: bool = True
    seen: set[tuple[int, int]] = field(default_factory=set[tuple[int, int]])

    def add(self, found: os.stat_result) -> None:
        if found.st_nlink > 1 and not stat.S_ISDIR(found.st_mode):
            if (found.st_dev, found.st_ino) in self.seen:
                return
            self.seen.add((found.st_dev, found.st_ino))
        self.files += 1
        self.size += found.st_blocks * BLOCK


def used(top: str, use: Use, most: SandboxLimits) -> None:
    """Adds what lies below `top` to `use`, and no more than what shows that `most` is passed."""
    with suppress(OSError):
        with _opened(top, None) as fd:
            _walk(fd, 0, use, most)
        return
    use.whole = False


def _walk(fd: int, depth: int, use: Use, most: SandboxLimits) -> None:
    with os.scandir(fd) as entries:
        for entry in entries:
            if use.size > most.disk_bytes or use.files > most.disk_files:
                return
            try:
                use.add(entry.stat(follow_symlinks=False))
                if not entry.is_dir(follow_symlinks=False):
                    continue
                if depth == DEEPEST:
                    use.whole = False
                    continue
                with _opened(entry.name, fd) as below:
                    _walk(below, depth + 1, use, most)
            except FileNotFoundError:
                continue
            except OSError:
                use.whole = False


@contextmanager
def _opened(name: str, parent: int | None) -> Generator[int]:
    """Never through a link: what a command puts in place of a directory leads nowhere else."""
    fd = os.open(name, os.O_RDONLY | os.O_DIRECTORY | os.O_NOFOLLOW | os.O_CLOEXEC, dir_fd=parent)
    try:
        yield fd
    finally:
        os.close(fd)


@dataclass(frozen=True)
class Free:
    size: int
    files: int

    @classmethod
    def at(cls, path: str) -> "Free | None":
        with suppress(OSError):
            found = os.statvfs(path)
            return cls(found.f_bavail * found.f_frsize, found.f_ffree)
        return None


class Growth:
    """Made right before the command starts. `uppers` are empty then but for what commands of the same attempt left;
    `trees` have content of their own, which is not counted."""

    def __init__(self, mounts: Sequence[Mount], limits: SandboxLimits) -> None:
        self.uppers = [mount.upper for mount in mounts if isinstance(mount, OverlayMount) and mount.upper]
        self.trees = [mount.source for mount in mounts if isinstance(mount, WritableMount)]
        self.places = (*self.uppers, *self.trees)
        self._limits = limits
        self._before = {path: Free.at(path) for path in self.places}
        self._had: Free | None = None
        self._seen = Free(0, 0)

    def hurries(self) -> bool:
        """Whether so much has gone from the disk since the last look that the next should not wait."""
        taken = self._taken()
        size, files = taken.size - self._seen.size, taken.files - self._seen.files
        return HURRY * size > self._limits.disk_bytes or HURRY * files > self._limits.disk_files

    def over(self, pids: Pids) -> bool:
        """Whether the command has used more than it may. Walks its changes; for a thread."""
        use = Use()
        for upper in self.uppers:
            used(upper, use, self._limits)
        taken = self._seen = self._taken()
        size, files = use.size, use.files
        if self.trees:
            grown = self._grown(taken, use)
            size, files = size + grown.size, files + grown.files
        if taken.size > self._limits.disk_bytes or taken.files > self._limits.disk_files:
            # More is gone than may be used. Others use the disk, too: only what can be this command's counts.
            size += unlinked(pids()) if use.whole else taken.size
            files += 0 if use.whole else taken.files
        return size > self._limits.disk_bytes or files > self._limits.disk_files

    def _taken(self) -> Free:
        """What the file systems below have lost since the start, to whomever."""
        size = files = 0
        for path, before in self._before.items():
            now = Free.at(path)
            if before and now:
                size, files = max(size, before.size - now.size), max(files, before.files - now.files)
        return Free(size, files)

    def _grown(self, taken: Free, use: Use) -> Free:
        """What was there before is known from the first look, less what has gone from the disk until then."""
        inside = Use()
        room = SandboxLimits(disk_bytes=2**62, disk_files=2**62)
        for tree in self.trees:
            used(tree, inside, room)
        use.whole = use.whole and inside.whole
        if self._had is None:
            early = Free(min(taken.size, inside.size), min(taken.files, inside.files))
            self._had = Free(inside.size - early.size, inside.files - early.files)
        return Free(max(inside.size - self._had.size, 0), max(inside.files - self._had.files, 0))


def unlinked(pids: Sequence[int], *, memory: bool = False) -> int:
    """Bytes of files that have no name any more and that `pids` hold open: on disk, or in memory files."""
    found: dict[tuple[int, int], int] = {}
    for pid in pids:
        with suppress(OSError):
            for fd in Path(f"/proc/{pid}/fd").iterdir():
                with suppress(OSError):
                    held = fd.stat()
                    if stat.S_ISREG(held.st_mode) and not held.st_nlink and _in_memory(fd) == memory:
                        found[held.st_dev, held.st_ino] = held.st_blocks * BLOCK
    return sum(found.values())


def _in_memory(fd: Path) -> bool:
    return str(fd.readlink()).startswith("/memfd:")
