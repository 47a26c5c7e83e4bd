"""One system, some work, and kills."""

import asyncio
import itertools
import math
import re
import time
from collections.abc import Callable, Sequence
from contextlib import suppress
from dataclasses import dataclass, field
from pathlib import Path
from typing import Protocol

from benchmarks.kill_anywhere.aim import targets
from benchmarks.kill_anywhere.kills import Injected, Injection, Injector, Stage
from benchmarks.kill_anywhere.trace import Trace
from benchmarks.kill_anywhere.work import WORKS, Work
from benchmarks.kill_anywhere.world import World, end, orphans

DECIDES_AFTER_SECONDS = 6.0
"""People who are not asked during an outage answer after so long."""
STUCK_SECONDS = 120.0
"""A run that has not ended by then has another started beside it."""
SETTLING_SECONDS = 1.0
OLD_SECONDS = 90.0
"""No command of ours takes so long, hung or not: what is older has been left behind."""
QUIET_SECONDS = 300.0
Say = Callable[[str], None]


class System(Stage, Protocol):
    """Perdure or a baseline."""

    @property
    def name(self) -> str: ...

    @property
    def home(self) -> Path: ...

    async def start(self) -> None: ...

    async def stop(self) -> None: ...

    async def complete(self) -> list[Trace]: ...


@dataclass
class Outcome:
    """`ideal` is by name of the work: the same run with nothing killed."""

    name: str
    ideal: dict[str, Trace]
    traces: list[Trace]
    injected: list[Injected]
    seconds: float
    orphans: list[str] = field(default_factory=list)
    boundaries: list[str] = field(default_factory=list)
    """All that undisturbed runs pass."""
    missed: list[str] = field(default_factory=list)


@dataclass(frozen=True)
class Load:
    """`at_once` runs at any time for as long as kills go on; those then under way have `patience` seconds to end."""

    works: Sequence[Work] = WORKS
    at_once: int = 4
    patience: float = 180.0
    seed: int = 1
    boundaries: str = ""
    """A pattern: only these of the named boundaries."""
    minutes: float = math.inf
    """No kill begins later."""


async def trial(system: System, world: World, injections: Sequence[Injection], load: Load, say: Say) -> Outcome:
    began = time.monotonic()
    await system.start()
    person = asyncio.create_task(_decide(system))
    left: dict[int, str] = {}
    try:
        quiet = await _undisturbed(system, load)
        passed = targets(system.boundaries, {trace.run_id: trace.work for trace in quiet})
        found = [one for one in passed if re.search(load.boundaries, one.name)]
        injector = Injector(system, world, found, load.seed)
        submitting = asyncio.create_task(_submit(system, load))
        for number, one in enumerate(injections, 1):
            if time.monotonic() - began > load.minutes * 60:
                break
            told = await injector.inject(one)
            left |= orphans(system.home, OLD_SECONDS)
            say(f"{system.name}: seed {load.seed}, injection {number} of {len(injections)}, {told}")
        submitting.cancel()
        await asyncio.gather(submitting, return_exceptions=True)
        await _until_over(system, system.traces, load.patience)
        traces = [trace for trace in await system.complete() if trace not in quiet]
    finally:
        person.cancel()
        await asyncio.gather(person, return_exceptions=True)
        await asyncio.sleep(SETTLING_SECONDS)
        left |= orphans(system.home)
        end(left)
        await system.stop()
    return Outcome(
        name=system.name,
        ideal={trace.work.name: trace for trace in quiet},
        traces=traces,
        injected=injector.done,
        seconds=time.monotonic() - began,
        orphans=list(left.values()),
        boundaries=[target.name for target in found],
        missed=injector.missed,
    )


async def _undisturbed(system: System, load: Load) -> list[Trace]:
    quiet = [await system.submit(work, f"quiet-{system.name.split()[0]}-{work.name}") for work in load.works]
    await _until_over(system, quiet, QUIET_SECONDS)
    assert all(system.is_over(trace) for trace in quiet), "the undisturbed runs did not end"
    return quiet


async def _until_over(system: System, traces: Sequence[Trace], patience: float) -> None:
    with suppress(TimeoutError):
        async with asyncio.timeout(patience):
            while not all(system.is_over(trace) for trace in traces):  # noqa: ASYNC110  it is found by looking
                await asyncio.sleep(0.2)


async def _submit(system: System, load: Load) -> None:
    """Works in turn."""
    for number, work in enumerate(itertools.cycle(load.works)):
        while _is_full(system, load.at_once):  # noqa: ASYNC110  it is found by looking
            await asyncio.sleep(0.1)
        # A name that is cut off here would be submitted, and known to nobody.
        await asyncio.shield(system.submit(work, f"{system.name.split()[0]}-{work.name}-{number}"))


def _is_full(system: System, at_once: int) -> bool:
    """A machine that cannot follow is not given more and more runs."""
    late = time.time() - STUCK_SECONDS
    running = [trace.began for trace in system.traces if not system.is_over(trace)]
    return sum(began > late for began in running) >= at_once or len(running) >= 2 * at_once


async def _decide(system: System) -> None:
    while True:
        await asyncio.sleep(1.0)
        await system.decide(DECIDES_AFTER_SECONDS)
