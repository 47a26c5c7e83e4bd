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
from benchmarks.kill_anywhere.kills import COLD, KINDS, plan
from benchmarks.kill_anywhere.perdure import Perdure
from benchmarks.kill_anywhere.plain import Plain
from benchmarks.kill_anywhere.sittings import Record, Wanted, sit
from benchmarks.kill_anywhere.trial import Load, System, trial
from benchmarks.kill_anywhere.work import FAMILY, WORKS
from benchmarks.kill_anywhere.world import World, world

SYSTEMS = ("perdure", "plain", "single")
LISTS = ("by kind", "by boundary", "in all", "not reached", "wrong", "redone by kill", "undisturbed", "left", "kills")
DETAILS = (*LISTS, "system", "boundaries", "killed at")


async def measure(home: Path, given: argparse.Namespace) -> list[Figures]:
    kinds = tuple(kind for kind in (*KINDS, COLD) if kind in (given.only or KINDS))
    injections = plan(given.injections, given.seed, kinds, given.pace)
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
    table.add_section()
    told = "kills; runs hit; stood already / killed again first; writes redone; moves again after p50 / p95 / max s"
    table.add_row(f"[b]{told}", *("" for _ in found))
    for part in ("by kind", "in all"):
        for kind in sorted({kind for one in found for kind in one[part]}):
            table.add_row(kind, *(_cell(one[part].get(kind)) for one in found))
    console.print(table)


def _cell(kind: Figures | None) -> str:
    if kind is None:
        return "has none"
    before = f"{kind['stood already']} / {kind['killed again first']}"
    counts = "; ".join(str(one) for one in (kind["injections"], kind["runs hit"], before, kind["redone"]))
    return f"{counts}; {kind['p50']} / {kind['p95']} / {kind['max']}"


def main() -> None:
    given = asked()
    home = given.keep or Path(tempfile.mkdtemp(prefix="perdure-kill-"))
    home.mkdir(parents=True, exist_ok=True)
    home.chmod(0o711)
    if given.shards or given.go_on:
        found = asyncio.run(sit(wanted(given), Record.read(given.go_on or given.json), home, say))
    else:
        found = asyncio.run(measure(home, given))
    show(found)
    if given.json and not given.shards and not given.go_on:
        told = {"seed": given.seed, "injections": given.injections, "systems": found}
        given.json.write_text(json.dumps(told, indent=1) + "\n")
    sys.stdout.flush()
    os._exit(0)


def asked() -> argparse.Namespace:
    parser = argparse.ArgumentParser(
        prog="benchmarks.kill_anywhere", description=about, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--injections", type=int, default=60)
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--runs", type=int, default=4, help="at once")
    parser.add_argument("--patience", type=float, default=180.0, help="seconds that runs have after the last kill")
    parser.add_argument("--systems", default=",".join(SYSTEMS), help=f"of {', '.join(SYSTEMS)}")
    parser.add_argument("--only", action="append", choices=(*KINDS, COLD), help="this kind of kill; may be said again")
    parser.add_argument("--boundaries", default="", metavar="PATTERN", help="of the named boundaries only these")
    parser.add_argument("--minutes", type=float, default=math.inf, help="no kill begins later; for each system")
    parser.add_argument("--pace", type=float, default=1.0, help="pauses before kills are so many times as long")
    parser.add_argument("--shards", type=int, default=0, help="so many stacks side by side, in sittings; needs --json")
    parser.add_argument("--sitting", type=int, default=100, help="injections for each start of a stack, with --shards")
    parser.add_argument("--continue", type=Path, dest="go_on", metavar="JSON", help="add to what stands in this file")
    parser.add_argument("--json", type=Path, help="also write the figures here")
    parser.add_argument("--keep", type=Path, help="an empty directory for the homes and logs, which stay")
    given = parser.parse_args()
    if given.shards and not (given.json or given.go_on):
        parser.error("--shards needs --json, which is written after each sitting")
    return given


def wanted(given: argparse.Namespace) -> Wanted:
    names = ("runs", "patience", "boundaries", "pace")
    rest = [f"--{name}={getattr(given, name)}" for name in names] + [f"--only={kind}" for kind in given.only or ()]
    return Wanted(
        systems=given.systems.split(","),
        injections=given.injections,
        seed=given.seed,
        at_once=max(given.shards, 1),
        size=given.sitting,
        minutes=given.minutes,
        rest=rest,
    )


if __name__ == "__main__":
    main()
