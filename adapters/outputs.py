"""Whole outputs of calls on this host, read-only for the agent under /outputs."""

import asyncio
import shutil
from pathlib import Path
from uuid import uuid4

from domain.ports import Blobs

PENDING = ".pending"


class HostOutputs:
    """`<worker home>/outputs/<run>/<name>`; what was cut for the model is kept in the blob store, too."""

    def __init__(self, home: Path, blobs: Blobs) -> None:
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


def _remove(home: Path, run_id: str) -> None:
    shutil.rmtree(home / run_id, ignore_errors=True)
    for left in (home / PENDING).glob(f"{run_id}-*"):
        left.unlink(missing_ok=True)


def _publish(scratch: Path, final: Path) -> None:
    scratch.chmod(0o444)
    scratch.replace(final)
