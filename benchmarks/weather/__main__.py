"""Prints the figures as a table, and as JSON with --json."""

import argparse
import json
import os
import sys
import tempfile
from pathlib import Path

import uvloop
from rich.console import Console
from rich.table import Table

from benchmarks.weather.measure import Figures, Outage, measure
from benchmarks.weather.sky import sky


async def through(home: Path, outage: Outage) -> Figures:
    async with sky(home, outage.seconds) as above:
        return await measure(above, outage)


def show(outage: Outage, figures: Figures) -> None:
    kind = "and a second model" if outage.fallback else "and no other model"
    title = f"{outage.runs} runs of {outage.turns} turns, {outage.seconds:g} s of {outage.status}, {kind}"
    table = Table("figure", "value", title=title)
    for name, value in figures.model_dump().items():
        table.add_row(name.replace("_", " "), f"{value:g}" if isinstance(value, float) else str(value))
    Console(width=120).print(table)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--runs", type=int, default=100)
    parser.add_argument("--turns", type=int, default=4, help="of each run, before it finishes")
    parser.add_argument("--outage", type=float, default=60.0, help="seconds; waits are shortened as if it were 1800")
    parser.add_argument("--status", type=int, default=529)
    parser.add_argument("--cut", type=int, default=5, help="answers broken off when it begins")
    parser.add_argument("--fallback", action="store_true", help="a second model goes on answering")
    parser.add_argument("--json", type=Path, help="also write the figures here")
    given = parser.parse_args()
    outage = Outage(
        runs=given.runs,
        turns=given.turns,
        seconds=given.outage,
        status=given.status,
        cut=given.cut,
        fallback=given.fallback,
    )
    with tempfile.TemporaryDirectory(prefix="perdure-bench-", ignore_cleanup_errors=True) as made:
        home = Path(made)
        home.chmod(0o711)
        figures = uvloop.run(through(home, outage))
    show(outage, figures)
    if given.json:
        found = {"outage": outage.model_dump(), "figures": figures.model_dump()}
        given.json.write_text(json.dumps(found, indent=1) + "\n")
    sys.stdout.flush()
    os._exit(0)


if __name__ == "__main__":
    main()
