"""Keeps parts alive: what ends unasked is started again at once."""

import asyncio
import time
from collections.abc import Callable, Sequence

from cli.parts import Part
from domain.errors import PerdureError

STEADY_SECONDS = 10.0
"""A part that lived this long starts without a pause; otherwise each pause is twice the one before."""
FIRST_PAUSE_SECONDS = 0.5
LONGEST_PAUSE_SECONDS = 15.0


class Supervisor:
    """`say(text)` is told what happens; start it from the main thread, as children die with the thread."""

    def __init__(self, say: Callable[[str], None]) -> None:
        self._say = say
        self._groups: list[tuple[Part, ...]] = []
        self._keepers: list[asyncio.Task[None]] = []
        self._stopping = False

    async def start(self, *parts: Part) -> None:
        """All at the same time; raises the first failure, whereupon the caller should stop everything."""
        self._groups.append(parts)
        starts = [asyncio.create_task(self._first(part)) for part in parts]
        try:
            await asyncio.gather(*starts)
        finally:
            for start in starts:
                start.cancel()
            await asyncio.gather(*starts, return_exceptions=True)
        self._keepers += [asyncio.create_task(self._keep(part)) for part in parts]

    async def stop(self) -> None:
        """In reverse order, so that nobody loses what they still talk to."""
        self._stopping = True
        for keeper in self._keepers:
            keeper.cancel()
        await asyncio.gather(*self._keepers, return_exceptions=True)
        for group in reversed(self._groups):
            await asyncio.gather(*(part.stop() for part in group), return_exceptions=True)

    def kill(self) -> None:
        self._stopping = True
        for part in self._all():
            part.kill()

    async def _first(self, part: Part) -> None:
        began = time.monotonic()
        await part.start()
        self._say(f"{part.name} answers after {time.monotonic() - began:.1f} s")

    async def _keep(self, part: Part) -> None:
        pause = 0.0
        while True:
            began = time.monotonic()
            how = await part.wait()
            if self._stopping:
                return
            if time.monotonic() - began > STEADY_SECONDS:
                pause = 0.0
            self._say(f"{part.name} ended ({how}); starting it again" + (f" in {pause:.1f} s" if pause else ""))
            pause = await self._again(part, pause)

    async def _again(self, part: Part, pause: float) -> float:
        """Tries until it answers: the pause before the next time, should it end soon."""
        while True:
            await asyncio.sleep(pause)
            pause = min(max(pause * 2, FIRST_PAUSE_SECONDS), LONGEST_PAUSE_SECONDS)
            try:
                await part.start()
            except PerdureError as error:
                self._say(f"{error.message}\n{error.next_step}\nTrying again in {pause:.1f} s")
                continue
            self._say(f"{part.name} answers again")
            return pause

    def _all(self) -> Sequence[Part]:
        return [part for group in self._groups for part in group]
