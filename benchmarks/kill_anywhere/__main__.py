"""Prints one table, and writes one JSON file."""

import argparse
import asyncio
import json
import math
import os
import sys
import tempfile
from collections.abc import Sequence
from pathlib import Path

from rich.console import Console
from rich.table import Table

from benchmarks.kill_anywhere import __doc__ as about
from benchmarks.kill_anywhere.figures import Figures, figures
from benchmarks.kill_anywhere.kills import KINDS, plan
from benchmarks.kill_anywhere.perdure import Perdure
from benchmarks.kill_anywhere.plain import Plain
from benchmarks.kill_anywhere.trial import Load, System, trial
from benchmarks.kill_anywhere.work import FAMILY, WORKS
from benchmarks.kill_anywhere.world import World, world

SYSTEMS = ("perdure", "plain", "single")
DETAILS = (
    *("by kind", "by boundary", "not reached", "wrong", "redone by kill", "undisturbed", "left", "kills", "system"),
)


async def measure(home: Path, given: argparse.Namespace) -> list[Figures]:
    kinds = tuple(kind for kind in KINDS if not given.only or kind in given.only)
    injections = plan(given.injections, given.seed, kinds)
    found: list[Figures] = []
    async with world(home) as outside:
        for name in given.systems.split(","):
            load = Load(
                works=(*WORKS, FAMILY) if name == "perdure" else WORKS,
                at_once=given.runs,
                patience=given.patience,
                seed=given.seed,
                boundaries=given.boundaries,
                minutes=given.minutes,
            )
            found.append(figures(await trial(make(name, home, outside), outside, injections, load, say)))
            say(f"{name}: {json.dumps(found[-1]['wrong'], indent=1)}")
    return found


def say(text: str) -> None:
    print(text, file=sys.stderr, flush=True)


def make(name: str, home: Path, outside: World) -> System:
    if name == "perdure":
        return Perdure(home, outside)
    if name == "plain":
        return Plain("plain Temporal", home, outside, attempts=0)
    return Plain("single attempt", home, outside, attempts=1)


def show(found: Sequence[Figures]) -> None:
    console = Console(width=150)
    table = Table("what", *(one["system"] for one in found), title="Killed anywhere")
    for name in (name for name in found[0] if name not in DETAILS):
        table.add_row(name, *(str(one[name]) for one in found))
    kinds = sorted({kind for one in found for kind in one["by kind"]})
    table.add_section()
    table.add_row("[b]kills; runs hit; writes redone; moves again after p50 / p95 / max s", *("" for _ in found))
    for kind in kinds:
        table.add_row(kind, *(_cell(one["by kind"].get(kind)) for one in found))
    console.print(table)


def _cell(kind: Figures | None) -> str:
    if kind is None:
        return "has none"
    return f"{kind['injections']}; {kind['runs hit']}; {kind['redone']}; {kind['p50']} / {kind['p95']} / {kind['max']}"


def main() -> None:
    parser = argparse.ArgumentParser(
        prog="benchmarks.kill_anywhere", description=about, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--injections", type=int, default=60)
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--runs", type=int, default=4, help="at once")
    parser.add_argument("--patience", type=float, default=180.0, help="seconds that runs have after the last kill")
    parser.add_argument("--systems", default=",".join(SYSTEMS), help=f"of {', '.join(SYSTEMS)}")
    parser.add_argument("--only", action="append", choices=KINDS, help="this kind of kill; may be said again")
    parser.add_argument("--boundaries", default="", metavar="PATTERN", help="of the named boundaries only these")
    parser.add_argument("--minutes", type=float, default=math.inf, help="no kill begins later; for each system")
    parser.add_argument("--json", type=Path, help="also write the figures here")
    parser.add_argument("--keep", type=Path, help="an empty directory for the homes and logs, which stay")
    given = parser.parse_args()
    home = given.keep or Path(tempfile.mkdtemp(prefix="perdure-kill-"))
    home.mkdir(parents=True, exist_ok=True)
    home.chmod(0o711)
    found = asyncio.run(measure(home, given))
    show(found)
    if given.json:
        told = {"seed": given.seed, "injections": given.injections, "systems": found}
        given.json.write_text(json.dumps(told, indent=1) + "\n")
    sys.stdout.flush()
    os._exit(0)


if __name__ == "__main__":
    main()
