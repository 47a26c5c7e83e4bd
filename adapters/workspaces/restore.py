"""A base made from packs alone, on a host that has nothing of the run, or nothing that can be trusted."""

import asyncio
import os
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import IO

from adapters.beneath import CREATE, open_beneath
from adapters.workspaces.apply import Owner, place, set_all_modes, split
from adapters.workspaces.locks import in_thread
from adapters.workspaces.packs import unpack
from adapters.workspaces.snapshots import AT_ONCE, PackSnapshots, place_of
from adapters.workspaces.tree import Tree
from domain.snapshot import Entry, FileEntry

HOLE_BYTES = 64 * 1024
"""So much of nothing but zeros becomes a hole."""
ZEROS = bytes(HOLE_BYTES)


async def restore(base: Path, manifest: Mapping[str, Entry], snapshots: PackSnapshots, owner: Owner) -> None:
    """Fills `base`, in which the roots stand empty, with the overlay form of `manifest`."""
    files = await in_thread(_place_all, base, manifest, owner)
    await write_files(base, files, snapshots, owner)
    await in_thread(set_all_modes, base, manifest)


async def write_files(base: Path, files: Mapping[str, FileEntry], snapshots: PackSnapshots, owner: Owner) -> None:
    """Nothing is at those paths; their directories are there. One read per pack, a few packs at once."""
    packs: dict[str, list[str]] = {}
    for path, entry in files.items():
        packs.setdefault(entry.pack, []).append(path)
    limit = asyncio.Semaphore(AT_ONCE)

    async def fetch(address: str, paths: Sequence[str]) -> None:
        async with limit:
            source, start = await snapshots.source(address, [files[path] for path in paths], base)
            index = await snapshots.pack(address)
            frames = {path: place_of(index, files[path]) for path in paths}
            await in_thread(_write_from, base, source, start, frames, files, owner)

    try:
        async with asyncio.TaskGroup() as group:
            for address, paths in packs.items():
                group.create_task(fetch(address, paths))
    except ExceptionGroup as failed:
        raise failed.exceptions[0] from failed


def _place_all(base: Path, manifest: Mapping[str, Entry], owner: Owner) -> dict[str, FileEntry]:
    files: dict[str, FileEntry] = {}
    for root, entries in split(manifest).items():
        with Tree(base / root, unlock=True) as tree:
            for path in sorted(entries):
                entry = entries[path]
                if isinstance(entry, FileEntry):
                    files[f"{root}/{path}"] = entry
                elif path:
                    place(tree, path, entry, owner)
    return files


def _write_from(
    base: Path,
    source: IO[bytes],
    start: int,
    frames: Mapping[str, tuple[int, int]],
    files: Mapping[str, FileEntry],
    owner: Owner,
) -> None:
    with source, Tree(base, unlock=True) as tree:
        for path in sorted(frames):
            offset, length = frames[path]
            above, name = tree.parent(path)
            write_file(above, name, files[path], unpack(source, offset - start, length, files[path].hash), owner)


def write_file(above: int, name: str, entry: FileEntry, content: Iterator[bytes], owner: Owner) -> None:
    """Leaves holes where there is nothing but zeros."""
    descriptor = open_beneath(above, name, CREATE)
    try:
        for chunk in content:
            for start in range(0, len(chunk), HOLE_BYTES):
                piece = chunk[start : start + HOLE_BYTES]
                if piece == ZEROS:
                    os.lseek(descriptor, HOLE_BYTES, os.SEEK_CUR)
                else:
                    _write(descriptor, piece)
        os.ftruncate(descriptor, entry.size)
        if owner is not None:
            os.fchown(descriptor, owner, owner)
        # After the owner: a change of owner takes the setuid bit away.
        os.fchmod(descriptor, entry.mode)
        os.utime(descriptor, ns=(entry.mtime_ns, entry.mtime_ns))
    finally:
        os.close(descriptor)


def _write(descriptor: int, piece: bytes) -> None:
    while piece:
        piece = piece[os.write(descriptor, piece) :]
