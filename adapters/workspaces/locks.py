"""Many readers or one writer within this process, one writer among the processes of this host, and work in threads."""

import asyncio
import fcntl
import os
from collections import deque
from collections.abc import AsyncGenerator, Callable
from contextlib import asynccontextmanager
from functools import partial
from pathlib import Path
from typing import BinaryIO, ParamSpec, TypeVar

from domain.errors import StorageUnavailable

PATIENCE_SECONDS = 10.0
P = ParamSpec("P")
T = TypeVar("T")


class SharedLock:
    """First come, first served: a waiting writer keeps later readers out, so that it gets its turn."""

    def __init__(self) -> None:
        self._waiting: deque[tuple[asyncio.Future[None], bool]] = deque()
        self._readers = 0
        self._writing = False

    @asynccontextmanager
    async def shared(self) -> AsyncGenerator[None]:
        await self._enter(alone=False)
        try:
            yield
        finally:
            self._leave(alone=False)

    @asynccontextmanager
    async def alone(self) -> AsyncGenerator[None]:
        await self._enter(alone=True)
        try:
            yield
        finally:
            self._leave(alone=True)

    async def _enter(self, *, alone: bool) -> None:
        turn = asyncio.Future[None]()
        self._waiting.append((turn, alone))
        self._grant()
        try:
            await turn
        except asyncio.CancelledError:
            if turn.cancelled():
                self._grant()
            else:
                self._leave(alone=alone)
            raise

    def _leave(self, *, alone: bool) -> None:
        if alone:
            self._writing = False
        else:
            self._readers -= 1
        self._grant()

    def _grant(self) -> None:
        while self._waiting:
            turn, alone = self._waiting[0]
            if turn.done():
                self._waiting.popleft()
                continue
            if self._writing or (alone and self._readers):
                return
            self._waiting.popleft()
            self._writing = alone
            self._readers += not alone
            turn.set_result(None)


def open_lock(path: Path) -> BinaryIO:
    """Made where it is not there yet; its directory must be."""
    return open(path, "ab", buffering=0, opener=partial(os.open, mode=0o600))


@asynccontextmanager
async def held(lock: BinaryIO, patience_seconds: float = PATIENCE_SECONDS) -> AsyncGenerator[None]:
    """Keeps other processes out: one that hung and came back may still be at work here. Closes `lock`."""
    with lock:
        deadline = asyncio.get_running_loop().time() + patience_seconds
        while not _take(lock.fileno()):
            if asyncio.get_running_loop().time() > deadline:
                raise StorageUnavailable(f"Another process has held {lock.name} for {patience_seconds:.0f} s.")
            await asyncio.sleep(0.02)
        yield


def _take(descriptor: int) -> bool:
    try:
        fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        return False
    return True


async def in_thread(work: Callable[P, T], *args: P.args, **kwargs: P.kwargs) -> T:
    """Like `asyncio.to_thread`, but never leaves the work behind: when cancelled, it waits for its end first."""
    task = asyncio.ensure_future(asyncio.to_thread(work, *args, **kwargs))
    try:
        return await asyncio.shield(task)
    except asyncio.CancelledError:
        while not task.done():
            try:
                await asyncio.wait([task])
            except asyncio.CancelledError:
                continue
        if not task.cancelled():
            task.exception()
        raise
