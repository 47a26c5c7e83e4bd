"""What the parts of a turn cost alone: the sandboxed command, a bare one, and a commit of the journal."""

import asyncio
import statistics
import time
from collections.abc import Awaitable, Callable

from uuid_utils import uuid7

from adapters.sandboxes import make_sandbox
from adapters.settings import load_settings
from benchmarks.turns.parts import Bench
from domain.event import StatusChanged
from domain.ports import Submission
from domain.record import NewEvent
from domain.run import RunSpec
from domain.sandbox import Command

ROUNDS = 50


async def bare_costs(bench: Bench) -> dict[str, float]:
    """Medians in milliseconds of wall time."""
    settings = load_settings({"PERDURE_HOME": str(bench.home)})
    sandbox = make_sandbox(settings)
    command = Command(argv=("sh", "-c", "echo turn"), cwd="/", environment=sandbox.environment)
    run_id = str(uuid7())
    spec = RunSpec(task="Count.")
    await bench.journal.submit(Submission(run_id=run_id, spec=spec, model="scripted:echo", owner="bench"))

    async def bare() -> None:
        process = await asyncio.create_subprocess_exec("sh", "-c", "echo turn", stdout=asyncio.subprocess.PIPE)
        await process.communicate()

    async def sandboxed() -> None:
        await sandbox.run(command)

    async def commit() -> None:
        event = StatusChanged(status="running")
        await bench.journal.record(run_id, [NewEvent(key=f"status/{uuid7()}", event=event)])

    return {
        "bare command": await _median(bare),
        "sandboxed command": await _median(sandboxed),
        "journal commit": await _median(commit),
    }


async def _median(action: Callable[[], Awaitable[None]]) -> float:
    await action()
    taken: list[float] = []
    for _ in range(ROUNDS):
        began = time.perf_counter()
        await action()
        taken.append(1000 * (time.perf_counter() - began))
    return round(statistics.median(taken), 2)
