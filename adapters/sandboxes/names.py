"""Which commands run, by name: in this process, and left by others of the same home."""

import asyncio
import contextlib
import hashlib
import itertools
import os
import re
import signal
from collections.abc import Generator
from dataclasses import dataclass, field
from pathlib import Path

from adapters.sandboxes.pipes import until_dead
from adapters.sandboxes.proc import all_pids, arguments_of

LONGEST = 200


@dataclass(eq=False)
class Running:
    """`marker` stands in the arguments of the sandbox's outer processes, so that others find them."""

    name: str
    marker: str
    stopped: asyncio.Event = field(default_factory=asyncio.Event)
    gone: asyncio.Event = field(default_factory=asyncio.Event)


def plain(name: str) -> str:
    """As a file name; a prefix stays a prefix."""
    return re.sub(r"[^A-Za-z0-9_.-]", "_", name)[:LONGEST]


class Names:
    def __init__(self, home: Path) -> None:
        self._tag = "perdure:" + hashlib.sha256(str(home).encode()).hexdigest()[:16] + ":"
        self._running: set[Running] = set()
        self._numbers = itertools.count()

    def marker(self, prefix: str) -> str:
        """How the markers of commands start whose names start so."""
        return self._tag + plain(prefix)

    @contextlib.contextmanager
    def running(self, name: str) -> Generator[Running]:
        """A command of this process, until it is gone."""
        # Numbered, so that two commands which share a name by mistake do not end each other.
        own = f"{plain(name)}.{os.getpid()}-{next(self._numbers)}."
        one = Running(own, self._tag + own)
        self._running.add(one)
        try:
            yield one
        finally:
            self._running.discard(one)
            one.gone.set()

    async def stop(self, prefix: str) -> None:
        """Ends what this process runs under names that start so, and what dead processes of this home left."""
        mine = [one for one in self._running if one.name.startswith(plain(prefix))]
        for one in mine:
            one.stopped.set()
        for one in mine:
            await one.gone.wait()
        await stop_marked(self.marker(prefix))


async def stop_marked(marker: str) -> None:
    """Ends sandboxes whose outer processes have an argument that starts so."""
    # All are found before the first is killed: a namespace's first process that dies with its parent has no arguments
    # any more while others in it still live.
    found = [pidfd for pid in all_pids() if (pidfd := _opened(pid, marker.encode())) is not None]
    try:
        for pidfd in found:
            with contextlib.suppress(ProcessLookupError):
                signal.pidfd_send_signal(pidfd, signal.SIGKILL)
        for pidfd in found:
            await until_dead(pidfd)
    finally:
        for pidfd in found:
            os.close(pidfd)


def _opened(pid: int, marker: bytes) -> int | None:
    """A descriptor of the process if it is marked."""
    with contextlib.suppress(OSError):
        # The descriptor comes first: what is read then is about the same process.
        pidfd = os.pidfd_open(pid)
        with contextlib.suppress(OSError):
            words = arguments_of(pid)
            if words[0].endswith(b"bwrap") and any(word.startswith(marker) for word in words):
                return pidfd
        os.close(pidfd)
    return None
