"""Which part is killed when, and how."""

import asyncio
import random
import shutil
import signal
import time
from collections.abc import Awaitable, Callable, Sequence
from dataclasses import dataclass
from itertools import cycle
from pathlib import Path
from typing import Protocol

from adapters.workspaces.tree import remove_path
from benchmarks.kill_anywhere.aim import Aim, Target
from benchmarks.kill_anywhere.kept import Kept
from benchmarks.kill_anywhere.trace import Trace
from benchmarks.kill_anywhere.work import WORKS, Work
from benchmarks.kill_anywhere.world import World

HANGS_SECONDS = 7.0
"""Longer than a heartbeat may be late."""
AWAY_SECONDS = 15.0
"""Long enough for another host to have taken the runs."""
BACK_SECONDS = 2.0
REACHES_SECONDS = 60.0
"""A boundary that nobody passes for so long is left for the next one."""
MANY = 8
"""Runs at once."""
BOUNDARY = "at a named boundary"
SWEEP = "at every named boundary, wherever a run comes next"
SWEEPS_SECONDS = 1200.0
COLD = "worker and its parent killed"
"""Nothing is left that has loaded anything. Only where it is asked for: it is so, too, where all are killed."""
SHARE = {BOUNDARY: 11}
"""How often a kind comes for each of another: half of all kills are at the boundaries in turn."""
KINDS = (
    BOUNDARY,
    "worker killed",
    "worker told to stop",
    "worker hung",
    "worker hung, other host",
    "worker killed, disk lost",
    "API killed",
    "Postgres killed",
    "Temporal killed",
    "all killed",
    "all killed, disk lost",
    "forge's answer lost",
)
RESTARTED = (BOUNDARY, "worker killed", "worker told to stop", COLD)
LOST_HOST = ("worker hung, other host", "worker killed, disk lost", "all killed, disk lost")


def gravity(kind: str) -> int:
    """A host that is gone is waited for longer than a part that comes back, and that longer than the next worker."""
    return 2 if kind in LOST_HOST else 0 if kind in RESTARTED else 1


@dataclass(frozen=True)
class Injection:
    kind: str
    after: float
    """Seconds that everything has been up before it."""
    passing: int = 1
    """At a boundary: which passing of it, where runs pass it often."""


@dataclass(frozen=True)
class Injected:
    """`at` is when it began; resuming is measured `since`, when something could move again."""

    kind: str
    at: float
    since: float
    where: str = ""
    """The boundary."""


class Stage(Protocol):
    """A system under test."""

    @property
    def parts(self) -> dict[str, Kept]:
        """By name: worker, API, Postgres, Temporal; those that it has."""
        ...

    @property
    def worker_home(self) -> Path: ...

    @property
    def boundaries(self) -> Path:
        """The directory in which its workers and we meet."""
        ...

    @property
    def traces(self) -> list[Trace]: ...

    async def submit(self, work: Work, name: str) -> Trace: ...

    def is_over(self, trace: Trace) -> bool: ...

    def other_worker(self) -> Kept:
        """One with a home of its own, which is `worker_home` from now on."""
        ...

    async def decide(self, older_than_seconds: float) -> None:
        """Says what people are waited for to say."""
        ...


def plan(injections: int, seed: int, kinds: tuple[str, ...] = KINDS, pace: float = 1.0) -> list[Injection]:
    """All kinds as often as their share, in an order and with pauses that the seed gives; at another pace they are as
    many times as long."""
    dice = random.Random(seed)
    bag = [kind for kind in kinds for _ in range(SHARE.get(kind, 1))] if len(kinds) > 1 else list(kinds)
    drawn: list[str] = []
    while len(drawn) < injections:
        drawn += dice.sample(bag, len(bag))
    pauses = (0.2, 4.0)
    return [
        Injection(kind, round(dice.uniform(*pauses) * pace, 3), dice.choice((1, 1, 2, 5)))
        for kind in drawn[:injections]
    ]


class Injector:
    """`targets` are taken in turn, in an order that the seed gives."""

    def __init__(self, stage: Stage, world: World, targets: Sequence[Target], seed: int) -> None:
        self._stage = stage
        self._world = world
        self._all = targets
        self._targets = cycle(random.Random(seed).sample(targets, len(targets)))
        self._aim = Aim(stage.boundaries)
        self.done: list[Injected] = []
        self.missed: list[str] = []
        """Boundaries that nobody passed when it was their turn."""
        self._ways: dict[str, Callable[[], Awaitable[float]]] = {
            "worker told to stop": lambda: self._signal(signal.SIGTERM, "worker"),
            "worker killed": lambda: self._signal(signal.SIGKILL, "worker", serving=True),
            COLD: lambda: self._signal(signal.SIGKILL, "worker"),
            "worker hung": self._hang,
            "worker hung, other host": self._replace,
            "worker killed, disk lost": lambda: self._lose("worker"),
            "all killed": lambda: self._signal(signal.SIGKILL, *self._stage.parts),
            "all killed, disk lost": lambda: self._lose(*self._stage.parts),
            "forge's answer lost": self._drop,
        }

    async def inject(self, one: Injection) -> str:
        """Does it, has people decide meanwhile, waits until every part is up; says what was done."""
        await asyncio.sleep(one.after)
        part, told = one.kind.removesuffix(" killed"), one.kind
        if one.kind == BOUNDARY:
            told = await self._strike(next(self._targets), one.passing)
        elif one.kind == SWEEP:
            await self._sweep()
        elif one.kind in self._ways or part in self._stage.parts:
            began = time.time()
            way = self._ways.get(one.kind, lambda: self._signal(signal.SIGKILL, part))
            self.done.append(Injected(one.kind, began, await way()))
        await self._stage.decide(0.0)
        for kept in list(self._stage.parts.values()):
            await kept.ready()
        return told

    async def _strike(self, target: Target, passing: int) -> str:
        """Whoever passes there first is killed; a run that will is started for it, but where many are under way."""
        often = len(target.works) > len(WORKS) / 2
        self._aim.take(target.name, passing if often else 1)
        number = len(self.done) + len(self.missed)
        work = target.works[number % len(target.works)]
        running = [trace.work for trace in self._stage.traces if not self._stage.is_over(trace)]
        if len(running) < MANY or not any(one in target.works for one in running):
            await self._stage.submit(work, f"aimed-{number}-{work.name}-{self._stage.worker_home.parent.name}")
        deciding = asyncio.create_task(self._decide_at_once())
        at = await self._aim.until_struck(target.name, REACHES_SECONDS)
        deciding.cancel()
        await asyncio.gather(deciding, return_exceptions=True)
        if at is None:
            self.missed.append(target.name)
            return f"not reached: {target.name}"
        self.done.append(Injected(BOUNDARY, at, at, target.name))
        # Until it is seen that it has ended.
        await asyncio.sleep(0.1)
        return target.name

    async def _sweep(self) -> None:
        """All are armed at once, so that runs go from one kill to the next."""
        waiting = [target.name for target in self._all]
        for name in waiting:
            self._aim.take(name)
        deciding = asyncio.create_task(self._decide_at_once())
        deadline = time.monotonic() + SWEEPS_SECONDS
        while waiting and time.monotonic() < deadline:
            await asyncio.sleep(0.1)
            waiting = [name for name in waiting if self._aim.struck(name) is None]
        deciding.cancel()
        await asyncio.gather(deciding, return_exceptions=True)
        self.missed += waiting
        struck = [(at, target.name) for target in self._all if (at := self._aim.struck(target.name)) is not None]
        self.done += [Injected(BOUNDARY, at, at, name) for at, name in sorted(struck)]

    async def _decide_at_once(self) -> None:
        while True:
            await self._stage.decide(0.0)
            await asyncio.sleep(0.5)

    async def _signal(self, number: signal.Signals, *names: str, serving: bool = False) -> float:
        for name in names:
            self._stage.parts[name].send(number, serving)
        since = time.time()
        # Until it is seen that they have ended.
        await asyncio.sleep(0.1)
        return since

    async def _hang(self) -> float:
        worker = self._stage.parts["worker"]
        worker.send(signal.SIGSTOP, to_serving=True)
        await self._stage.decide(0.0)
        await asyncio.sleep(HANGS_SECONDS)
        worker.send(signal.SIGCONT, to_serving=True)
        return time.time()

    async def _replace(self) -> float:
        """The zombie: it comes back when its runs have gone on elsewhere."""
        hung = self._stage.parts["worker"]
        hung.send(signal.SIGSTOP, to_serving=True)
        since = time.time()
        self._stage.parts["worker"] = other = self._stage.other_worker()
        await other.start()
        await asyncio.sleep(AWAY_SECONDS)
        hung.send(signal.SIGCONT, to_serving=True)
        await asyncio.sleep(BACK_SECONDS)
        await hung.leave(signal.SIGKILL)
        return since

    async def _lose(self, *names: str) -> float:
        home = self._stage.worker_home
        lost = home.with_name(f"{home.name}-lost-{len(self.done)}")
        if home.exists():
            shutil.move(home, lost)
        since = await self._signal(signal.SIGKILL, *names)
        await asyncio.to_thread(remove_path, lost)
        return since

    async def _drop(self) -> float:
        self._world.drop_an_answer(len(self.done))
        return time.time()
