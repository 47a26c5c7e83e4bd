"""Parts in processes of their own, started again at once whenever they end, as a supervisor would."""

import asyncio
import os
import signal
import sys
from collections.abc import Mapping, Sequence
from contextlib import suppress
from pathlib import Path
from typing import Protocol

from adapters.embedded.child import Child
from domain.errors import PerdureError

ROOT = Path(__file__).parents[2]
PAUSE_SECONDS = 0.2
READY_SECONDS = 90.0


class Part(Protocol):
    """EmbeddedPostgres, EmbeddedTemporal and Program."""

    @property
    def pid(self) -> int | None: ...

    async def start(self) -> object: ...

    async def wait(self) -> object: ...

    async def stop(self) -> object: ...


class Program:
    """A Python program of ours; it is ready once it has said `ready`. With `again` another serves for it: that is said
    whenever that one has died, and the next is about to start."""

    def __init__(
        self, arguments: Sequence[str], environment: Mapping[str, str], log: Path, ready: str, again: str = ""
    ) -> None:
        self._arguments, self._environment, self._log, self._ready = tuple(arguments), environment, log, ready
        self._again = again
        self._child: Child | None = None
        self._was_ready = False

    @property
    def pid(self) -> int | None:
        return self._child.pid if self._child is not None and self._child.exit_code is None else None

    @property
    def serving_pid(self) -> int | None:
        """The process that serves, which is another than the one that was started where that one keeps it."""
        if not self._again or self.pid is None:
            return self.pid
        with suppress(OSError, IndexError, ValueError):
            return int(Path(f"/proc/{self.pid}/task/{self.pid}/children").read_text().split()[0])
        return None

    @property
    def is_ready(self) -> bool:
        if self._child is not None and (self._again or not self._was_ready):
            said = self._child.said(100_000)
            ready, again = said.rfind(self._ready), said.rfind(self._again) if self._again else -1
            self._was_ready = ready > again or (self._was_ready and ready == again)
        return self.pid is not None and self._was_ready

    async def start(self) -> None:
        environment = {**self._environment, "PYTHONUNBUFFERED": "1"}
        self._was_ready = False
        self._child = await Child.start([sys.executable, *self._arguments], self._log, environment, ROOT)

    async def wait(self) -> int:
        assert self._child is not None, "not started"
        return await self._child.wait()

    async def stop(self) -> None:
        if self._child is not None:
            await self._child.stop()


class Kept:
    """A part and what keeps it alive."""

    def __init__(self, part: Part) -> None:
        self._part = part
        self._keeper: asyncio.Task[None] | None = None
        self._up = False

    async def start(self) -> None:
        await self._part.start()
        self._up = True
        self._keeper = asyncio.create_task(self._keep())

    def send(self, number: signal.Signals, to_serving: bool = False) -> None:
        serves = to_serving and isinstance(self._part, Program)
        if self._up and (pid := self._part.serving_pid if serves else self._part.pid) is not None:
            with suppress(ProcessLookupError):
                os.kill(pid, number)

    async def ready(self) -> None:
        """Until it is there again. TimeoutError where it does not come back."""
        async with asyncio.timeout(READY_SECONDS):
            # Nothing tells of a line in another process's log.
            while not self._up or (isinstance(self._part, Program) and not self._part.is_ready):  # noqa: ASYNC110
                await asyncio.sleep(0.05)

    async def leave(self, number: signal.Signals | None = None) -> None:
        """Ends it, by this signal or in good order, and starts it no more."""
        if self._keeper is not None:
            self._keeper.cancel()
            await asyncio.gather(self._keeper, return_exceptions=True)
        if number is not None:
            self.send(number)
        await self._part.stop()

    async def _keep(self) -> None:
        while True:
            await self._part.wait()
            self._up = False
            while not self._up:
                try:
                    await self._part.start()
                    self._up = True
                except PerdureError:
                    await asyncio.sleep(PAUSE_SECONDS)
            # Programs may end for as long as what they need is down.
            await asyncio.sleep(PAUSE_SECONDS if isinstance(self._part, Program) else 0)


def inherited(home: Path) -> dict[str, str]:
    """What a part gets of our environment."""
    return {"PATH": os.environ["PATH"], "HOME": str(home)}
