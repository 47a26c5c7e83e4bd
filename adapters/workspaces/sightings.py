"""What a plain tree looked like when it was last known: enough to find later what changed without reading it."""

import ctypes
import os
import stat
import struct
from collections.abc import Iterable, Mapping

Sight = tuple[int, int, int, int, int]
"""Kind (S_IFMT), inode, ctime in ns, size (of a directory: when it was made), and 1 where a later change must show in
the ctime: it was looked at a clock tick and more after it."""
KIND, INODE, CTIME, SIZE, SETTLED = range(5)
SETTLING_NS = 20_000_000
"""Kernels before 6.13 stamp with the last tick of a coarse clock."""
AT_EMPTY_PATH = 0x1000
STATX_BTIME = 0x800
BTIME_OFFSET = 80
BTIME = struct.Struct("=qI")
_statx = getattr(ctypes.CDLL(None, use_errno=True), "statx", None)


class Sightings:
    """By path below the tree, whose own entries are the roots; a directory's path leads to what is in it."""

    def __init__(self, seen: Mapping[str, Sight] | None = None) -> None:
        self.folders: dict[str, dict[str, Sight]] = {"": {}}
        self.count = 0
        self.update(seen or {}, ())

    def get(self, path: str) -> Sight | None:
        above, _, name = path.rpartition("/")
        return self.folders.get(above, {}).get(name)

    def update(self, seen: Mapping[str, Sight], gone: Iterable[str]) -> None:
        """`gone` first: something else may have come in its place."""
        for path in gone:
            self._drop(path)
        for path, sight in seen.items():
            above, _, name = path.rpartition("/")
            inside = self.folders.setdefault(above, {})
            self.count += name not in inside
            inside[name] = sight
            if sight[KIND] == stat.S_IFDIR:
                self.folders.setdefault(path, {})

    def all(self) -> dict[str, Sight]:
        return {
            f"{above}/{name}" if above else name: sight
            for above, inside in self.folders.items()
            for name, sight in inside.items()
        }

    def _drop(self, path: str) -> None:
        above, _, name = path.rpartition("/")
        self.count -= self.folders.get(above, {}).pop(name, None) is not None
        waiting = [path]
        while waiting:
            folder = waiting.pop()
            inside = self.folders.pop(folder, {})
            self.count -= len(inside)
            waiting += [f"{folder}/{name}" for name, sight in inside.items() if sight[KIND] == stat.S_IFDIR]


def sight_of(found: os.stat_result, now_ns: int, made_ns: int = 0) -> Sight:
    """`now_ns` is a time since which nobody changed it; `made_ns` is for directories."""
    kind = stat.S_IFMT(found.st_mode)
    size = made_ns if kind == stat.S_IFDIR else found.st_size
    return kind, found.st_ino, found.st_ctime_ns, size, int(found.st_ctime_ns < now_ns - SETTLING_NS)


def made_ns(folder: int) -> int:
    """When an open directory was made: its inode's number may have been another's before. 0 where nobody knows."""
    if _statx is None:
        return 0
    answer = ctypes.create_string_buffer(256)
    if _statx(folder, b"", AT_EMPTY_PATH, STATX_BTIME, answer) != 0:
        return 0
    (mask,) = struct.unpack_from("=I", answer)
    seconds, nanoseconds = BTIME.unpack_from(answer, BTIME_OFFSET)
    return int(seconds) * 10**9 + int(nanoseconds) if mask & STATX_BTIME else 0
