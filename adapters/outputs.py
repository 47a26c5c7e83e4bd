"""Whole outputs of calls on this host, read-only for the agent under /outputs."""

import asyncio
import shutil
from pathlib import Path
from uuid import uuid4

from domain.ports import Blobs
from domain.secrets import Mask

PENDING = ".pending"
PIECE_BYTES = 256 * 1024


class HostOutputs:
    """`<worker home>/outputs/<run>/<name>`; what was cut for the model is kept in the blob store, too.

    The scratch file has what the command printed; nothing of it leaves here but masked.
    """

    def __init__(self, home: Path, blobs: Blobs, mask: Mask | None = None) -> None:
        self._mask = mask or Mask()
        self._home = home
        self._blobs = blobs

    def directory(self, run_id: str) -> Path:
        path = self._home / run_id
        path.mkdir(parents=True, exist_ok=True, mode=0o755)
        path.chmod(0o755)
        return path

    def scratch(self, run_id: str, name: str) -> Path:
        """Where a running command's output goes, no other's; hidden from the agent until it is kept."""
        pending = self._home / PENDING
        pending.mkdir(parents=True, exist_ok=True, mode=0o700)
        # An attempt that hung and comes back must not write into the file of the next one.
        return pending / f"{run_id}-{name}.{uuid4().hex}"

    def sweep(self) -> None:
        """Removes what dead workers of this home were writing; wants no other alive."""
        shutil.rmtree(self._home / PENDING, ignore_errors=True)

    async def masked(self, scratch: Path, keep_bytes: int) -> tuple[bytes, bytes, int]:
        """Masks the file in place: its head and tail, half of `keep_bytes` each, and its size. No tail: all of it."""
        part = scratch.with_name(f"{scratch.name}.masked")
        try:
            return await asyncio.to_thread(_masked, self._mask, scratch, part, keep_bytes)
        finally:
            part.unlink(missing_ok=True)

    async def keep(self, run_id: str, name: str, scratch: Path) -> str:
        """Stores the output and shows it to the agent; its address in the blob store."""
        address = await self._blobs.put_file(scratch)
        final = self.directory(run_id) / name
        await asyncio.to_thread(_publish, scratch, final)
        return address

    async def restore(self, run_id: str, wanted: dict[str, str]) -> None:
        """After a change of host: brings back what is not here. `wanted` maps names to addresses."""
        directory = self.directory(run_id)
        for name, address in wanted.items():
            if not (directory / name).exists():
                part = self.scratch(run_id, f"{name}.restore")
                await self._blobs.get_file(address, part)
                await asyncio.to_thread(_publish, part, directory / name)

    async def discard(self, run_id: str) -> None:
        """Gives the room back once the run has ended; what was kept stays in the blob store."""
        await asyncio.to_thread(_remove, self._home, run_id)


def _masked(mask: Mask, scratch: Path, part: Path, keep_bytes: int) -> tuple[bytes, bytes, int]:
    stream = mask.stream()
    with scratch.open("rb") as source, part.open("wb") as target:
        while piece := source.read(PIECE_BYTES):
            target.write(stream.feed(piece))
        target.write(stream.end())
    part.replace(scratch)
    size, half = scratch.stat().st_size, max(keep_bytes // 2, 1)
    with scratch.open("rb") as whole:
        if size <= 2 * half:
            return whole.read(), b"", size
        head = whole.read(half)
        whole.seek(size - half)
        return head, whole.read(), size


def _remove(home: Path, run_id: str) -> None:
    shutil.rmtree(home / run_id, ignore_errors=True)
    for left in (home / PENDING).glob(f"{run_id}-*"):
        left.unlink(missing_ok=True)


def _publish(scratch: Path, final: Path) -> None:
    scratch.chmod(0o444)
    scratch.replace(final)
