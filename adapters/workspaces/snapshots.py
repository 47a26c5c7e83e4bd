"""Snapshots read back from the blob store: any host, whether the run is going on or not."""

import asyncio
import io
from collections import OrderedDict
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import IO

from adapters.workspaces.packs import (
    MAGIC,
    PackHeader,
    PackIndex,
    addresses_in,
    damaged,
    decode_header,
    header_length,
    unpack_bytes,
)
from domain.ports.files import Blobs
from domain.snapshot import (
    Entry,
    FileEntry,
    Manifest,
    SnapshotRef,
    id_of_lines,
    identity_lines,
    is_incidental,
    merge,
    snapshot_id,
)
from domain.workspace import FileChange

WHOLE_EVERY = 32
SHOWN_BYTES = 1024**2
"""Files over this size are named in `changes`, but not shown."""
FIRST_READ_BYTES = 64 * 1024
KEPT_ENTRIES = 200_000
KEPT_PACKS = 256
AT_ONCE = 8


class Standing:
    """All that is known of one snapshot. Never changed once others can see it."""

    __slots__ = ("base", "before", "lines", "manifest")

    def __init__(self, base: str, manifest: Manifest, before: Manifest, lines: dict[str, str] | None = None) -> None:
        self.base = base
        self.manifest = manifest
        self.before = before
        self.lines = identity_lines(manifest) if lines is None else lines

    def after(self, delta: Mapping[str, Entry], before: Mapping[str, Entry]) -> "Standing":
        manifest = merge(self.manifest, delta)
        lines = {path: line for path, line in self.lines.items() if path in manifest and path not in delta}
        lines.update(identity_lines({path: manifest[path] for path in delta if path in manifest}))
        return Standing(self.base, manifest, {**before, **self.before}, lines)

    def id(self) -> str:
        return id_of_lines(self.base, self.lines)


class PackSnapshots:
    """Keeps what it read: packs never change."""

    def __init__(self, blobs: Blobs) -> None:
        self._blobs = blobs
        self._standings: OrderedDict[str, Standing] = OrderedDict()
        self._packs: OrderedDict[str, PackIndex] = OrderedDict()

    async def manifest(self, ref: SnapshotRef) -> Manifest:
        return dict((await self.standing(ref)).manifest)

    async def read(self, ref: SnapshotRef, path: str) -> bytes | None:
        entry = (await self.standing(ref)).manifest.get(path)
        return await self.content(entry) if isinstance(entry, FileEntry) else None

    async def changes(self, ref: SnapshotRef) -> Sequence[FileChange]:
        standing = await self.standing(ref)
        limit = asyncio.Semaphore(AT_ONCE)

        async def show(path: str) -> FileChange:
            before, after = _file(standing.before.get(path)), _file(standing.manifest.get(path))
            name = path.removeprefix("workspace/")
            if max(entry.size for entry in (before, after) if entry) > SHOWN_BYTES:
                sides = [None if entry is None else b"" for entry in (before, after)]
                return FileChange(path=name, before=sides[0], after=sides[1], large=True)
            async with limit:
                return FileChange(
                    path=name,
                    before=await self.content(before) if before else None,
                    after=await self.content(after) if after else None,
                )

        return await asyncio.gather(*(show(path) for path in changed_files(standing)))

    async def standing(self, ref: SnapshotRef) -> Standing:
        """Follows the parents to the last whole manifest, or to the base."""
        chain: list[PackHeader] = []
        at: SnapshotRef | None = ref
        while at is not None and at.pack is not None and at.pack not in self._standings:
            header = (await self.pack(at.pack)).header
            if header.snapshot != at.id:
                raise damaged(at.pack)
            chain.append(header)
            at = None if header.whole is not None else header.parent
        known = self._standings.get(at.pack) if at is not None and at.pack else None
        if not chain and known is not None:
            return self._touch(ref, known)
        standing = await asyncio.to_thread(_fold, known or Standing(ref.base, {}, {}), chain)
        if ref.pack and standing.id() != ref.id:
            raise damaged(ref.pack)
        return self._touch(ref, standing)

    def remember(self, ref: SnapshotRef, standing: Standing, index: PackIndex) -> None:
        """What was just written need not be read again."""
        self._touch(ref, standing)
        self._keep(index)

    def kept(self, address: str | None) -> PackIndex | None:
        """What is known of a pack without a look into the blob store."""
        if (known := self._packs.get(address or "")) is not None:
            self._packs.move_to_end(known.address)
        return known

    async def pack(self, address: str) -> PackIndex:
        if (known := self.kept(address)) is not None:
            return known
        start = await self._start(address, await self._blobs.get_range(address, 0, FIRST_READ_BYTES))
        index = await asyncio.to_thread(decode_header, start, address)
        return self._keep(index)

    async def references(self, address: str) -> frozenset[str]:
        first = await self._blobs.get_range(address, 0, FIRST_READ_BYTES)
        if not first.startswith(MAGIC):
            return frozenset()
        return await asyncio.to_thread(addresses_in, await self._start(address, first), address)

    async def _start(self, address: str, start: bytes) -> bytes:
        """All before the first frame; `start` is what was read of it."""
        length = header_length(start, address)
        if length <= len(start):
            return start
        if len(start) < FIRST_READ_BYTES:
            raise damaged(address)
        return start + await self._blobs.get_range(address, len(start), length - len(start))

    async def content(self, entry: FileEntry) -> bytes:
        index = await self.pack(entry.pack)
        offset, length = place_of(index, entry)
        frame = await self._blobs.get_range(entry.pack, index.body + offset, length)
        return await asyncio.to_thread(unpack_bytes, frame, entry.hash)

    async def source(self, address: str, entries: Sequence[FileEntry], directory: Path) -> tuple[IO[bytes], int]:
        """Something to read the frames of `entries` from, and the offset that it starts at; the caller closes it."""
        index = await self.pack(address)
        places = [place_of(index, entry) for entry in entries]
        first = min(offset for offset, _ in places)
        last = max(offset + length for offset, length in places)
        if last - first <= 8 * SHOWN_BYTES:
            content = await self._blobs.get_range(address, index.body + first, last - first)
            return io.BytesIO(content), first
        path = directory / f"fetched-{address}"
        await self._blobs.get_file(address, path)
        file = await asyncio.to_thread(_open, path)
        return file, -index.body

    def _keep(self, index: PackIndex) -> PackIndex:
        self._packs[index.address] = index
        self._packs.move_to_end(index.address)
        while len(self._packs) > KEPT_PACKS:
            self._packs.popitem(last=False)
        return index

    def _touch(self, ref: SnapshotRef, standing: Standing) -> Standing:
        if ref.pack is None:
            return standing
        self._standings[ref.pack] = standing
        self._standings.move_to_end(ref.pack)
        kept = sum(1 + len(one.manifest) for one in self._standings.values())
        while len(self._standings) > 1 and (kept > KEPT_ENTRIES or len(self._standings) > KEPT_PACKS):
            kept -= 1 + len(self._standings.popitem(last=False)[1].manifest)
        return standing


def bare(base: str) -> SnapshotRef:
    """The snapshot in which nothing was changed yet."""
    return SnapshotRef(id=snapshot_id(base, {}), base=base)


def place_of(index: PackIndex, entry: FileEntry) -> tuple[int, int]:
    place = index.header.contents.get(entry.hash)
    if place is None:
        raise damaged(index.address)
    return place


def changed_files(standing: Standing) -> list[str]:
    """Regular files of the workspace that differ from the base in content."""
    paths = {path for path, entry in standing.manifest.items() if isinstance(entry, FileEntry)}
    paths |= {path for path, entry in standing.before.items() if isinstance(entry, FileEntry)}
    return sorted(path for path in paths if _is_shown(path) and _differs(standing, path))


def _is_shown(path: str) -> bool:
    return path.startswith("workspace/") and not path.startswith("workspace/.git/") and not is_incidental(path)


def _differs(standing: Standing, path: str) -> bool:
    before, after = _file(standing.before.get(path)), _file(standing.manifest.get(path))
    return before is None or after is None or before.hash != after.hash


def _file(entry: Entry | None) -> FileEntry | None:
    return entry if isinstance(entry, FileEntry) else None


def _fold(standing: Standing, newest_first: Sequence[PackHeader]) -> Standing:
    for header in reversed(newest_first):
        if header.whole is not None:
            standing = Standing(header.base, dict(header.whole), dict(header.whole_before or {}))
        else:
            standing = standing.after(header.delta, header.before)
    return standing


def _open(path: Path) -> IO[bytes]:
    """The file lives as long as it is open."""
    file = path.open("rb")
    path.unlink()
    return file
