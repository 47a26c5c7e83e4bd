"""Prints the figures as tables, and as JSON with --json."""

import argparse
import json
import math
import os
import sys
import tempfile
import time
from pathlib import Path
from typing import Any

import uvloop
from rich.console import Console
from rich.table import Table

from benchmarks.turns.processes import cpu_of, spent
from benchmarks.waiting.crowd import Crowd, crowd
from benchmarks.waiting.figures import decisions, held, idle_cpu, listing, memory_of, room

WARM = 20
"""Runs that are brought in before the first look at memory: what is loaded once is not counted as theirs."""

RELEASED_WITHIN = 600.0


async def measure(home: Path, given: argparse.Namespace) -> dict[str, Any]:
    async with crowd(home, given.release_after) as stack:
        await stack.gather(WARM)
        empty, idle = memory_of(stack.watched), cpu_of(stack.watched)
        began = time.monotonic()
        await stack.gather(given.runs + WARM, given.minutes * 60)
        runs = len(stack.ids) - WARM
        brought_in = time.monotonic() - began
        released = await stack.until_released(given.release_after + RELEASED_WITHIN)
        busy = cpu_of(stack.watched)
        figures: dict[str, Any] = {
            "runs": runs,
            "brought in seconds": round(brought_in, 1),
            "released seconds": round(released, 1),
            "CPU ms per run": spent(idle, busy, runs),
            "memory before MB": empty,
            "memory MB": memory_of(stack.watched),
            "held": await held(stack, stack.ids),
            "idle thousandths of a core": await idle_cpu(stack, given.idle_seconds),
            "room": room(stack),
            "listing": await listing(stack),
        }
        return figures | await _goes_on(stack, given.sample)


async def _goes_on(stack: Crowd, sample: int) -> dict[str, Any]:
    """The oldest of them, then the newest under a worker that has never seen them."""
    known = await decisions(stack, stack.ids[:sample])
    restarted = await stack.restart_worker()
    after = await decisions(stack, stack.ids[-sample:])
    return {
        "decided": known,
        "worker back seconds": round(restarted, 2),
        "decided after a restart": after,
        "memory after a restart MB": memory_of(stack.watched),
    }


def show(figures: dict[str, Any]) -> None:
    console = Console(width=140)
    before, there, idle = figures["memory before MB"], figures["memory MB"], figures["idle thousandths of a core"]
    runs = figures["runs"]
    table = Table("part", "MB before", "MB", "KB per run", "idle, 1/1000 core", title=f"{runs} runs that wait")
    for name, megabytes in there.items():
        each = 1024 * (megabytes - before[name]) / runs
        table.add_row(name, f"{before[name]:.0f}", f"{megabytes:.0f}", f"{each:.1f}", f"{idle[name]:.1f}")
    console.print(table)
    for what, number in figures["held"].items():
        console.print(f"{what}: {number}")
    console.print(
        f"brought in within {figures['brought in seconds']:.0f} s; CPU ms per run: {figures['CPU ms per run']}"
    )
    for what, number in (figures["room"] | {"seconds to list": figures["listing"]}).items():
        console.print(f"{what}: {number}")
    goes = Table("seconds from a yes", "runs", "p50", "p95", "max", title="How soon a run goes on")
    for title, key in (("", "decided"), (", worker killed and started again", "decided after a restart")):
        for what in ("to the next answer", "to the next call"):
            told = figures[key][what]
            goes.add_row(what + title, str(figures[key]["runs"]), *(f"{one:.2f}" for one in told.values()))
    console.print(goes)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--runs", type=int, default=10_000)
    parser.add_argument("--minutes", type=float, default=math.inf, help="then it makes do with those that wait by then")
    parser.add_argument("--sample", type=int, default=50, help="so many are decided, before and after a restart")
    parser.add_argument("--release-after", type=float, default=60.0, help="seconds")
    parser.add_argument("--idle-seconds", type=float, default=30.0)
    parser.add_argument("--json", type=Path, help="also write the figures here")
    given = parser.parse_args()
    with tempfile.TemporaryDirectory(prefix="perdure-bench-", ignore_cleanup_errors=True) as made:
        home = Path(made)
        home.chmod(0o711)
        figures = uvloop.run(measure(home, given))
    show(figures)
    if given.json:
        given.json.write_text(json.dumps(figures, indent=1) + "\n")
    sys.stdout.flush()
    os._exit(0)


if __name__ == "__main__":
    main()
