"""Prints what a command costs in each sandbox, and what its commit costs in a large tree; as JSON with --json."""

import argparse
import asyncio
import json
import os
import shutil
import sys
import tempfile
from dataclasses import asdict
from pathlib import Path

import uvloop
from rich.console import Console
from rich.table import Table

from adapters.settings import load_settings
from benchmarks.sandbox.commands import Sandboxes, Taken, command_costs
from benchmarks.sandbox.commits import commit_costs

COMMAND_AIM_MS, COMMIT_AIM_MS = 10.0, 5.0
IMAGE = "perdure-test-base"
"""What the tests make of this machine's own files, where PERDURE_DOCKER_IMAGE names none."""


async def measure(home: Path, files: int, rounds: int) -> dict[str, object]:
    settings = load_settings({**os.environ, "PERDURE_HOME": str(home)})
    sandboxes = Sandboxes()
    await sandboxes.prepare(home, settings.agent_uid, settings.docker_image or IMAGE)
    try:
        commands = await command_costs(sandboxes, rounds)
        commits = await commit_costs(home, sandboxes, settings.agent_uid, files, rounds)
    finally:
        await sandboxes.close()
    enforcement = sandboxes.walls["bubblewrap"].enforcement()
    _show(commands, commits, files, sandboxes.absent)
    return {
        "command_ms": {name: asdict(taken) for name, taken in commands.items()},
        "commit_ms": {name: {part: asdict(taken) for part, taken in one.items()} for name, one in commits.items()},
        "files": files,
        "rounds": rounds,
        "load": os.getloadavg()[0],
        "bubblewrap": enforcement.model_dump(),
    }


def _show(commands: dict[str, Taken], commits: dict[str, dict[str, Taken]], files: int, absent: str) -> None:
    console = Console(width=120)
    bare = commands["bare"]
    table = Table("sandbox", "ms", "over bare", "times bare", "best ms", "over bare", title="One command, sh -c echo")
    for name, one in commands.items():
        over = (f"{one.median:.1f}", f"{one.median - bare.median:.1f}", f"{one.median / bare.median:.1f}")
        table.add_row(name, *over, f"{one.best:.1f}", f"{one.best - bare.best:.1f}")
    console.print(table)
    if absent:
        console.print(f"docker: not measured: {absent}")
    parts = ("open", "begin", "commit")
    kept = Table("workspace", *(f"{part} ms" for part in parts), "best commit ms", title=f"In {files:,} files")
    for name, by_part in commits.items():
        kept.add_row(name, *(f"{by_part[part].median:.1f}" for part in parts), f"{by_part['commit'].best:.1f}")
    console.print(kept)
    one, commit = commands["bubblewrap"], commits["overlay"]["commit"]
    over = Taken(one.median - bare.median, one.best - bare.best)
    console.print(f"bubblewrap over bare: {_held(over, COMMAND_AIM_MS)}")
    console.print(f"commit in an overlay: {_held(commit, COMMIT_AIM_MS)}")
    console.print(f"load of this machine: {os.getloadavg()[0]:.1f} on {os.cpu_count()} processors")


def _held(taken: Taken, aim: float) -> str:
    said = ["held" if one < aim else "MISSED" for one in (taken.median, taken.best)]
    return f"{taken.median:.1f} ms, aim {aim:g} ms {said[0]}; in the best round {taken.best:.1f} ms, {said[1]}"


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--files", type=int, default=57_000)
    parser.add_argument("--rounds", type=int, default=50)
    parser.add_argument("--json", type=Path, help="also write the figures here")
    given = parser.parse_args()
    home = Path(tempfile.mkdtemp(prefix="perdure-bench-"))
    home.chmod(0o711)
    try:
        with asyncio.Runner(loop_factory=uvloop.new_event_loop) as runner:
            figures = runner.run(measure(home, given.files, given.rounds))
    finally:
        shutil.rmtree(home, ignore_errors=True)
    if given.json:
        given.json.write_text(json.dumps(figures, indent=1) + "\n")
    sys.stdout.flush()


if __name__ == "__main__":
    main()
