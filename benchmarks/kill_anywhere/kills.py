"""Which part is killed when, and how."""

import asyncio
import random
import shutil
import signal
import time
from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Protocol

from adapters.workspaces.tree import remove_path
from benchmarks.kill_anywhere.kept import Kept
from benchmarks.kill_anywhere.world import World

HANGS_SECONDS = 7.0
"""Longer than a heartbeat may be late."""
AWAY_SECONDS = 15.0
"""Long enough for another host to have taken the runs."""
BACK_SECONDS = 2.0
KINDS = (
    "worker killed",
    "worker told to stop",
    "worker hung",
    "worker hung, other host",
    "worker killed, disk lost",
    "API killed",
    "Postgres killed",
    "Temporal killed",
    "all killed",
    "forge's answer lost",
)


@dataclass(frozen=True)
class Injection:
    kind: str
    after: float
    """Seconds that everything has been up before it."""


@dataclass(frozen=True)
class Injected:
    """`at` is when it began; resuming is measured `since`, when something could move again."""

    kind: str
    at: float
    since: float


class Stage(Protocol):
    """A system under test."""

    @property
    def parts(self) -> dict[str, Kept]:
        """By name: worker, API, Postgres, Temporal; those that it has."""
        ...

    @property
    def worker_home(self) -> Path: ...

    def other_worker(self) -> Kept:
        """One with a home of its own, which is `worker_home` from now on."""
        ...

    async def decide(self, older_than_seconds: float) -> None:
        """Says what people are waited for to say."""
        ...


def plan(injections: int, seed: int, kinds: tuple[str, ...] = KINDS) -> list[Injection]:
    """All kinds equally often, in an order and with pauses that the seed gives."""
    dice = random.Random(seed)
    drawn: list[str] = []
    while len(drawn) < injections:
        drawn += dice.sample(kinds, len(kinds))
    return [Injection(kind, round(dice.uniform(0.2, 4.0), 3)) for kind in drawn[:injections]]


class Injector:
    def __init__(self, stage: Stage, world: World) -> None:
        self._stage = stage
        self._world = world
        self.done: list[Injected] = []
        self._ways: dict[str, Callable[[], Awaitable[float]]] = {
            "worker told to stop": lambda: self._signal(signal.SIGTERM, "worker"),
            "worker hung": self._hang,
            "worker hung, other host": self._replace,
            "worker killed, disk lost": self._lose,
            "all killed": lambda: self._signal(signal.SIGKILL, *self._stage.parts),
            "forge's answer lost": self._drop,
        }

    async def inject(self, one: Injection) -> None:
        """Does it, has people decide meanwhile, and waits until every part is up."""
        await asyncio.sleep(one.after)
        part = one.kind.removesuffix(" killed")
        if one.kind not in self._ways and part not in self._stage.parts:
            return
        began = time.time()
        way = self._ways.get(one.kind, lambda: self._signal(signal.SIGKILL, part))
        since = await way()
        self.done.append(Injected(one.kind, began, since))
        await self._stage.decide(0.0)
        for kept in list(self._stage.parts.values()):
            await kept.ready()

    async def _signal(self, number: signal.Signals, *names: str) -> float:
        for name in names:
            self._stage.parts[name].send(number)
        since = time.time()
        # Until it is seen that they have ended.
        await asyncio.sleep(0.1)
        return since

    async def _hang(self) -> float:
        worker = self._stage.parts["worker"]
        worker.send(signal.SIGSTOP)
        await self._stage.decide(0.0)
        await asyncio.sleep(HANGS_SECONDS)
        worker.send(signal.SIGCONT)
        return time.time()

    async def _replace(self) -> float:
        """The zombie: it comes back when its runs have gone on elsewhere."""
        hung = self._stage.parts["worker"]
        hung.send(signal.SIGSTOP)
        since = time.time()
        self._stage.parts["worker"] = other = self._stage.other_worker()
        await other.start()
        await asyncio.sleep(AWAY_SECONDS)
        hung.send(signal.SIGCONT)
        await asyncio.sleep(BACK_SECONDS)
        await hung.leave(signal.SIGKILL)
        return since

    async def _lose(self) -> float:
        home = self._stage.worker_home
        lost = home.with_name(f"{home.name}-lost-{len(self.done)}")
        if home.exists():
            shutil.move(home, lost)
        since = await self._signal(signal.SIGKILL, "worker")
        await asyncio.to_thread(remove_path, lost)
        return since

    async def _drop(self) -> float:
        self._world.drop_an_answer(len(self.done))
        return time.time()
