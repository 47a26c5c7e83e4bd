"""Many readers or one writer within this process, one writer among the processes of this host, and work in threads."""

import asyncio
import fcntl
import os
from collections import deque
from collections.abc import AsyncGenerator, Callable, Generator
from contextlib import asynccontextmanager, contextmanager
from pathlib import Path
from typing import ParamSpec, TypeVar

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
        turn: asyncio.Future[None] = asyncio.get_running_loop().create_future()
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


@contextmanager
def held(path: Path) -> Generator[None]:
    """Keeps other processes out: one that hung and came back may still be at work here. Blocks; use it in a thread."""
    descriptor = os.open(path, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
    try:
        fcntl.flock(descriptor, fcntl.LOCK_EX)
        yield
    finally:
        os.close(descriptor)


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
