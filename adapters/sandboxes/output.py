"""What a command prints: kept in bounded memory, written whole to a file, shown live."""

import asyncio
import contextlib
import logging
from collections.abc import Awaitable, Callable
from pathlib import Path
from typing import BinaryIO

LIVE_SECONDS = 0.1
LIVE_BYTES = 64 * 1024
FINISH_SECONDS = 5.0

log = logging.getLogger(__name__)


class Output:
    """One stream. Memory holds its head and its tail, half of `keep_bytes` each; a file takes `limit_bytes`."""

    def __init__(self, keep_bytes: int, limit_bytes: int, path: str | None = None) -> None:
        self.total = 0
        self._half = max(keep_bytes // 2, 1)
        self._head = bytearray()
        self._tail = bytearray()
        self._room = limit_bytes
        self._file: BinaryIO | None = None
        if path is not None:
            Path(path).parent.mkdir(parents=True, exist_ok=True)
            self._file = Path(path).open("wb", buffering=0)  # noqa: SIM115  closed by close()

    def take(self, chunk: bytes) -> None:
        self.total += len(chunk)
        if self._file is not None and self._room > 0:
            self._file.write(chunk[: self._room])
            self._room -= len(chunk)
        missing = self._half - len(self._head)
        if missing > 0:
            self._head += chunk[:missing]
            chunk = chunk[missing:]
        self._tail += chunk
        if len(self._tail) > 4 * self._half:
            del self._tail[: -self._half]

    @property
    def cut(self) -> bool:
        return self.total > 2 * self._half

    def parts(self) -> tuple[bytes, bytes]:
        """(head, tail); the tail is empty where the head is all of it."""
        if not self.cut:
            return bytes(self._head + self._tail), b""
        return bytes(self._head), bytes(self._tail[-self._half :])

    def joined(self) -> bytes:
        head, tail = self.parts()
        if not self.cut:
            return head
        return head + b"\n[%d bytes left out]\n" % (self.total - len(head) - len(tail)) + tail

    def close(self) -> None:
        if self._file is not None:
            self._file.close()


class Live:
    """Hands chunks to `show`, at most one each LIVE_SECONDS; a slow viewer loses the older part of what is pending."""

    def __init__(self, show: Callable[[bytes], Awaitable[None]]) -> None:
        self._show = show
        self._pending = bytearray()
        self._news = asyncio.Event()
        self._done = asyncio.Event()
        self._task = asyncio.create_task(self._run())

    def take(self, chunk: bytes) -> None:
        self._pending += chunk[-LIVE_BYTES:]
        if len(self._pending) > LIVE_BYTES:
            del self._pending[:-LIVE_BYTES]
        self._news.set()

    async def _run(self) -> None:
        try:
            while self._pending or not self._done.is_set():
                await self._news.wait()
                self._news.clear()
                if self._pending:
                    chunk, self._pending = bytes(self._pending), bytearray()
                    await self._show(chunk)
                with contextlib.suppress(TimeoutError):
                    async with asyncio.timeout(LIVE_SECONDS):
                        await self._done.wait()
        except Exception as error:
            log.warning("live output stopped: %r", error)

    async def finish(self) -> None:
        """Shows the rest; a viewer that takes longer than FINISH_SECONDS for it is left behind."""
        self._done.set()
        self._news.set()
        await asyncio.wait([self._task], timeout=FINISH_SECONDS)
        self.cancel()

    def cancel(self) -> None:
        self._task.cancel()
