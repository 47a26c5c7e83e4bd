"""Pipes to and from a child, moved by the event loop without threads."""

import asyncio
import contextlib
import os
from collections.abc import Callable

CHUNK = 128 * 1024


class Reader:
    """Reads a pipe to its end and gives every chunk to `take`."""

    def __init__(self, fd: int, take: Callable[[bytes], None]) -> None:
        os.set_blocking(fd, False)
        self._fd = fd
        self._take = take
        self._loop = asyncio.get_running_loop()
        self.ended: asyncio.Future[None] = self._loop.create_future()
        self._loop.add_reader(fd, self._read)

    def _read(self) -> None:
        try:
            chunk = os.read(self._fd, CHUNK)
        except BlockingIOError:
            return
        except ConnectionError:  # of a socket
            chunk = b""
        if chunk:
            self._take(chunk)
        else:
            self.close()

    async def drain(self, seconds: float) -> None:
        """Waits for the end; what a stray holder of the pipe writes later is lost."""
        if not self.ended.done():
            await asyncio.wait([self.ended], timeout=seconds)
        self.close()

    def close(self) -> None:
        if not self.ended.done():
            self._loop.remove_reader(self._fd)
            os.close(self._fd)
            self.ended.set_result(None)


class Writer:
    """Writes to a pipe without blocking; the other side may stop reading at any time."""

    def __init__(self, fd: int) -> None:
        os.set_blocking(fd, False)
        self._fd: int | None = fd
        self._rest = memoryview(b"")
        self._loop = asyncio.get_running_loop()

    def send_and_close(self, content: bytes) -> None:
        if self._fd is not None:
            self._rest = memoryview(content)
            self._loop.add_writer(self._fd, self._write)
            self._write()

    def _write(self) -> None:
        if self._fd is None:
            return
        try:
            while self._rest:
                self._rest = self._rest[os.write(self._fd, self._rest[:CHUNK]) :]
        except BlockingIOError:
            return
        except ConnectionError:
            pass
        self.close()

    def close(self) -> None:
        if self._fd is not None:
            self._loop.remove_writer(self._fd)
            with contextlib.suppress(OSError):
                self._end(self._fd)
            self._fd = None

    def _end(self, fd: int) -> None:
        os.close(fd)


async def until_dead(pidfd: int) -> None:
    """Waits until the process behind `pidfd` has ended."""
    loop = asyncio.get_running_loop()
    dead = asyncio.Event()
    # A descriptor of its own, as a loop takes one reader for each.
    watched = os.dup(pidfd)
    loop.add_reader(watched, dead.set)
    try:
        await dead.wait()
    finally:
        loop.remove_reader(watched)
        os.close(watched)
