"""A command that runs, whatever runs it: what it says, and what can be done to it."""

import asyncio
from abc import ABC, abstractmethod
from collections.abc import Callable

from adapters.sandboxes.output import Live, Output
from domain.sandbox import REPORT_BYTES, Command

READY, GO = b"r\n", b"g\n"
DRAIN_SECONDS = 5.0


class Process(ABC):
    """It says that it is ready, and waits to be let go. Then come its output and, on a second stream, its errors or
    its report."""

    def __init__(self, command: Command) -> None:
        self.over_limit = asyncio.Event()
        self.limit = command.limits.output_bytes
        self._ready: asyncio.Future[bool] = asyncio.get_running_loop().create_future()
        self._start = bytearray()
        self.live: Live | None = None
        self.output = Output(command.keep_bytes, self.limit, command.output_path)
        self.error = Output(command.keep_bytes, self.limit)
        self.report = bytearray()
        self._take_second: Callable[[bytes], None] = self._take_report if command.report else self._take_error

    def _take_output(self, chunk: bytes) -> None:
        if not self._ready.done():
            self._start += chunk
            if not self._start.startswith(READY):
                return
            self._ready.set_result(True)
            chunk = bytes(self._start[len(READY) :])
        self.output.take(chunk)
        if self.live is not None:
            self.live.take(chunk)
        self._count()

    def _take_error(self, chunk: bytes) -> None:
        self.error.take(chunk)
        self._count()

    def _take_report(self, chunk: bytes) -> None:
        self.report += chunk[: REPORT_BYTES - len(self.report)]

    def _count(self) -> None:
        if self.output.total + self.error.total > self.limit:
            self.over_limit.set()

    async def ready(self, seconds: float) -> bool:
        """Whether the first process in the sandbox has said so; else `complaint` says why not."""
        ended = asyncio.ensure_future(self.ended())
        try:
            await asyncio.wait([self._ready, ended], timeout=seconds, return_when=asyncio.FIRST_COMPLETED)
            if not self._ready.done() and ended.done():
                await self._drain()
        finally:
            ended.cancel()
        return self._ready.done()

    def complaint(self) -> str:
        words = bytes(self._start) + bytes(self.report) + self.error.joined()
        return words.decode(errors="replace").strip() or "it did not start in time"

    async def _heard_all(self) -> None:
        """After the end: what is left in the streams."""
        await self._drain()
        if self.live is not None:
            await self.live.finish()
        self.output.close()

    @abstractmethod
    def go(self, stdin: bytes) -> None: ...

    @abstractmethod
    async def ended(self) -> None:
        """Returns when the first process is gone."""

    @abstractmethod
    async def _drain(self) -> None: ...

    @abstractmethod
    async def close(self) -> int:
        """After the end: hears what is left and answers the exit code, 128 + signal for a killed one."""

    @abstractmethod
    def abandon(self) -> None:
        """Where `close` was not let: the loop ends, and with it whatever would wait. Kills without it."""
