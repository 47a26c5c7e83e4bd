"""The long form: many sittings, each with a stack of its own, some of them side by side; whoever is cut off goes on."""

import asyncio
import json
import math
import os
import sys
import time
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from adapters.embedded.child import Child
from adapters.workspaces.tree import remove_path
from benchmarks.kill_anywhere.figures import Figures, united
from benchmarks.kill_anywhere.kept import ROOT

APART_SECONDS = 4.0
"""Between two that begin."""


@dataclass(frozen=True)
class Wanted:
    """`rest` are arguments that each sitting is given as well."""

    systems: Sequence[str]
    injections: int
    seed: int
    at_once: int
    size: int
    minutes: float
    rest: Sequence[str]


@dataclass
class Record:
    """What stands in the JSON file: it is written whenever a sitting has ended."""

    path: Path
    sittings: list[dict[str, Any]] = field(default_factory=list)

    @classmethod
    def read(cls, path: Path) -> "Record":
        return cls(path, json.loads(path.read_text())["sittings"] if path.exists() else [])

    def add(self, wanted: Wanted, system: str, number: int, found: Figures) -> None:
        kept = {name: value for name, value in found.items() if name not in ("by kind", "by boundary", "in all")}
        self.sittings.append({"of": system, "number": number, "seed": wanted.seed + number, "figures": kept})
        told = {"seed": wanted.seed, "injections": wanted.injections, "side by side": wanted.at_once}
        made = self.path.with_suffix(".made")
        made.write_text(json.dumps({**told, "systems": self.systems(), "sittings": self.sittings}, indent=1) + "\n")
        made.rename(self.path)

    def systems(self) -> list[Figures]:
        names = list(dict.fromkeys(one["of"] for one in self.sittings))
        return [united([one["figures"] for one in self.sittings if one["of"] == name]) for name in names]

    def done(self, system: str) -> int:
        return sum(one["figures"]["injections"] for one in self.sittings if one["of"] == system)

    def numbers(self, system: str) -> set[int]:
        return {one["number"] for one in self.sittings if one["of"] == system}


async def sit(wanted: Wanted, record: Record, home: Path, say: Callable[[str], None]) -> list[Figures]:
    """Until there are as many injections as wanted, or the minutes are over."""
    ends = time.monotonic() + wanted.minutes * 60
    for system in wanted.systems:
        plan = planned(wanted, record, system)

        async def work(after: float, system: str = system, plan: Iterator[tuple[int, int]] = plan) -> None:
            await asyncio.sleep(after)
            for number, size in plan:
                if (left := (ends - time.monotonic()) / 60) <= 0:
                    return
                found = await _one(wanted, system, number, size, left, home)
                if found is None:
                    say(f"{system}: sitting {number} came to nothing; see {home / f'{system}-{number}.log'}")
                    continue
                record.add(wanted, system, number, found)
                wrong = json.dumps(found["wrong"], indent=1)
                say(f"{system}: {record.done(system)} of {wanted.injections}; wrong in sitting {number}: {wrong}")
                if not found["wrong"]:
                    await asyncio.to_thread(remove_path, home / f"{system}-{number}")

        # Children die with the thread that forked them: all of it is this one.
        await asyncio.gather(*(work(number * APART_SECONDS) for number in range(wanted.at_once)))
    return record.systems()


def planned(wanted: Wanted, record: Record, system: str) -> Iterator[tuple[int, int]]:
    """Numbers that no sitting has had, and how many injections each is to make. The number's seed is its own."""
    left, number, had = wanted.injections - record.done(system), -1, record.numbers(system)
    while left > 0:
        number += 1
        if number not in had:
            size = min(wanted.size, left)
            left -= size
            yield number, size


async def _one(wanted: Wanted, system: str, number: int, size: int, minutes: float, home: Path) -> Figures | None:
    told = home / f"{system}-{number}.json"
    given = {"systems": system, "injections": size, "seed": wanted.seed + number, "json": told}
    arguments = [f"--{name}={value}" for name, value in given.items()] + list(wanted.rest)
    if math.isfinite(minutes):
        arguments.append(f"--minutes={minutes}")
    place = home / f"{system}-{number}"
    argv = [sys.executable, "-m", "benchmarks.kill_anywhere", f"--keep={place}", *arguments]
    child = await Child.start(argv, home / f"{system}-{number}.log", dict(os.environ), ROOT)
    try:
        await child.wait()
    finally:
        await child.stop()
    return json.loads(told.read_text())["systems"][0] if told.exists() else None
