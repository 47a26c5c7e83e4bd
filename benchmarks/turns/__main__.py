"""Prints the figures as one table each, and as JSON with --json."""

import argparse
import json
import os
import sys
import tempfile
from dataclasses import asdict
from pathlib import Path

import uvloop
from rich.console import Console
from rich.table import Table

from benchmarks.turns.bare_costs import bare_costs
from benchmarks.turns.long import long_run, show_long
from benchmarks.turns.measure import Batch, bare, history, perdure
from benchmarks.turns.parts import Bench, bench


async def measure(home: Path, turns: int, runs: int) -> dict[str, object]:
    async with bench(home) as stack:
        await perdure(stack, 1, 3)
        await bare(stack, 1, 3)
        batches = [await one(stack, count, turns) for count in (1, runs) for one in (bare, perdure)]
        short = await perdure(stack, runs, 10)
        histories = await _histories(stack, batches)
        costs = await bare_costs(stack)
    _show(batches, short, histories, costs)
    return {
        "batches": [_plain(one) for one in [*batches, short]],
        "history": histories,
        "bare_costs_ms": costs,
    }


async def measure_long(home: Path, turns: int) -> dict[str, object]:
    async with bench(home) as stack:
        marks = await long_run(stack, turns)
    show_long(marks)
    return {"long": [asdict(one) for one in marks]}


async def _histories(stack: Bench, batches: list[Batch]) -> list[dict[str, float | str]]:
    loop = batches[0]
    events, size = await history(stack.client, loop.ids[0])
    rows: list[dict[str, float | str]] = [_row("bare Temporal", loop.turns, events, size)]
    for turns in (10, 50, 200):
        batch = await perdure(stack, 1, turns)
        events, size = await history(stack.client, f"run/{batch.ids[0]}/work/1")
        rows.append(_row("perdure, its agent's loop", batch.turns, events, size))
        events, size = await history(stack.client, f"run/{batch.ids[0]}")
        rows.append(_row("perdure, the rest of the run", batch.turns, events, size))
    return rows


def _row(what: str, turns: int, events: int, size: int) -> dict[str, float | str]:
    per_turn = {"events_per_turn": round(events / turns, 2), "bytes_per_turn": round(size / turns)}
    return {"what": what, "turns": turns, "events": events, "bytes": size, **per_turn}


def _plain(batch: Batch) -> dict[str, object]:
    return {
        "name": batch.name,
        "runs": batch.runs,
        "turns": batch.turns,
        "turns_per_second": round(batch.turns_per_second, 2),
        "ms_per_turn_of_one_run": round(1000 * batch.seconds / batch.turns, 1),
        "cpu_ms_per_turn": batch.cpu,
    }


def _show(batches: list[Batch], short: Batch, histories: list[dict[str, float | str]], costs: dict[str, float]) -> None:
    console = Console(width=150)
    names = list(batches[0].cpu)
    table = Table("what", "runs", "turns", "turns/s", "CPU ms/turn", *names, title="Turns")
    for one in [*batches, short]:
        cpu = [f"{one.cpu[name]:.1f}" for name in names]
        table.add_row(
            one.name, str(one.runs), str(one.turns), f"{one.turns_per_second:.1f}", f"{one.cpu_total:.1f}", *cpu
        )
    console.print(table)
    kept = Table("what", "turns", "events", "bytes", "events/turn", "bytes/turn", title="History")
    for row in histories:
        kept.add_row(*(str(value) for value in row.values()))
    console.print(kept)
    console.print("Bare costs in ms:", costs)
    for loop, run in zip(batches[0::2], batches[1::2], strict=True):
        console.print(
            f"{run.runs} at once: {run.turns_per_second / loop.turns_per_second:.2f} of the bare loop's turns/s, "
            f"{run.cpu_total / loop.cpu_total:.2f} times its CPU per turn"
        )
    console.print(
        f"CPU per turn at {batches[-1].turns} turns / at {short.turns}: {batches[-1].cpu_total / short.cpu_total:.2f}"
    )


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--turns", type=int, default=50)
    parser.add_argument("--runs", type=int, default=50)
    parser.add_argument("--long", type=int, default=0, help="one run of so many turns, and nothing else")
    parser.add_argument("--json", type=Path, help="also write the figures here")
    given = parser.parse_args()
    with tempfile.TemporaryDirectory(prefix="perdure-bench-", ignore_cleanup_errors=True) as made:
        home = Path(made)
        home.chmod(0o711)
        measuring = measure_long(home, given.long) if given.long else measure(home, given.turns, given.runs)
        figures = uvloop.run(measuring)
    if given.json:
        given.json.write_text(json.dumps(figures, indent=1) + "\n")
    sys.stdout.flush()
    os._exit(0)


if __name__ == "__main__":
    main()
