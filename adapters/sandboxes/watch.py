"""Looks after limits that the kernel does not keep: growth of files, and memory where no control group counts it."""

import asyncio
import contextlib
import time
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

from adapters.sandboxes.growth import Growth, Pids, unlinked
from domain.sandbox import Mount, SandboxLimits

DISK_SECONDS, MEMORY_SECONDS, GLANCE_SECONDS = 0.5, 0.1, 0.1
SHARE = 4
"""A look that takes long is followed by a pause this many times as long."""
DISK_TEXT = f"watched every {DISK_SECONDS:g} s while a command runs, and killed"
MEMORY_TEXT = f"per process (RLIMIT_DATA); all of a command watched every {MEMORY_SECONDS:g} s, and killed"

Passed = Literal["disk_limit", "out_of_memory"]


@dataclass(frozen=True)
class Watch:
    """Of one command. `pids` are its processes; `memory` where they are not counted by the kernel."""

    growth: Growth
    limits: SandboxLimits
    pids: Pids
    memory: bool

    @classmethod
    def over(cls, mounts: Sequence[Mount], limits: SandboxLimits, pids: Pids, *, memory: bool) -> "Watch":
        return cls(Growth(mounts, limits), limits, pids, memory)

    async def passed(self) -> Passed:
        """Returns when a limit is passed, and which."""
        looks = [asyncio.ensure_future(self._disk() if self.growth.places else _never())]
        if self.memory:
            looks.append(asyncio.ensure_future(self._memory()))
        try:
            done, _ = await asyncio.wait(looks, return_when=asyncio.FIRST_COMPLETED)
            return next(iter(done)).result()
        finally:
            for look in looks:
                look.cancel()

    async def _disk(self) -> Passed:
        pause, looked = DISK_SECONDS, time.monotonic()
        while True:
            await asyncio.sleep(GLANCE_SECONDS)
            began = time.monotonic()
            if began - looked < pause and not self.growth.hurries():
                continue
            if await asyncio.to_thread(self.growth.over, self.pids):
                return "disk_limit"
            looked = time.monotonic()
            pause = max(DISK_SECONDS, SHARE * (looked - began))

    async def _memory(self) -> Passed:
        before, pause = available(), MEMORY_SECONDS
        while True:
            await asyncio.sleep(pause)
            began = time.monotonic()
            if await asyncio.to_thread(self._too_much_memory, before):
                return "out_of_memory"
            pause = max(MEMORY_SECONDS, SHARE * (time.monotonic() - began))

    def _too_much_memory(self, before: int) -> bool:
        pids = self.pids()
        # Looked for only where that much is gone from the host: memory files that nothing maps.
        hidden = unlinked(pids, memory=True) if before - available() > self.limits.memory_bytes // 2 else 0
        if sum(map(resident, pids)) + hidden <= self.limits.memory_bytes:
            return False
        # Pages that processes share were counted for each; this counts them once, and costs more.
        return sum(map(proportional, pids)) + hidden > self.limits.memory_bytes


async def _never() -> Passed:
    await asyncio.Event().wait()
    raise AssertionError


def available() -> int:
    """Bytes that this host could still give to processes."""
    return _bytes(Path("/proc/meminfo"), ("MemAvailable",))


def resident(pid: int) -> int:
    """Bytes of memory that are no cache of a file."""
    return _bytes(Path(f"/proc/{pid}/status"), ("RssAnon", "RssShmem"))


def proportional(pid: int) -> int:
    """As `resident`, of shared pages its share only."""
    return _bytes(Path(f"/proc/{pid}/smaps_rollup"), ("Pss_Anon", "Pss_Shmem")) or resident(pid)


def _bytes(path: Path, names: Sequence[str]) -> int:
    total = 0
    with contextlib.suppress(OSError):
        for line in path.read_text().splitlines():
            name, _, rest = line.partition(":")
            if name in names:
                total += int(rest.split()[0]) * 1024
    return total
