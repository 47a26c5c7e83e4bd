"""One run of very many turns: what a turn costs early and late, by the clock, in CPU and in Temporal's history."""

import asyncio
import statistics
from dataclasses import dataclass

from rich.console import Console
from rich.table import Table
from temporalio.client import Client
from uuid_utils import uuid7

from benchmarks.turns.measure import run_of_turns
from benchmarks.turns.parts import Bench
from benchmarks.turns.processes import cpu_of, spent
from domain.event import TurnAnswered

MARKS = (10, 50, 100, 500, 1000)
WINDOW = 25
LOOK_SECONDS = 0.1


@dataclass(frozen=True)
class Look:
    """What was seen at one moment; `cpu` is in seconds since their start, by process."""

    turn: int
    cpu: dict[str, float]


@dataclass(frozen=True)
class Mark:
    """The turns up to `turn`, at most WINDOW of them; `events` and `size` are medians, the last two over all so far."""

    turn: int
    ms: float
    cpu_ms: dict[str, float]
    events: float
    size: float
    events_so_far: float
    size_so_far: float


async def long_run(bench: Bench, turns: int) -> list[Mark]:
    run_id = str(uuid7())
    marks = [one for one in MARKS if one < turns] + [turns]
    wanted = sorted({edge for one in marks for edge in (begin_of(one), one)})
    running = asyncio.create_task(run_of_turns(bench, run_id, turns))
    looks: dict[int, Look] = {}
    while wanted and not running.done():
        turn = (await bench.journal.summary(run_id)).turn if looks or await _is_there(bench, run_id) else 0
        while wanted and turn >= wanted[0]:
            looks[wanted.pop(0)] = Look(turn, cpu_of(bench.watched))
        await asyncio.sleep(LOOK_SECONDS)
    await running
    answered = await _answered(bench, run_id)
    kept = await _by_turn(bench.client, f"run/{run_id}/work/1")
    return [_mark(one, looks, answered, kept) for one in marks]


def begin_of(mark: int) -> int:
    return max(1, mark - WINDOW)


async def _is_there(bench: Bench, run_id: str) -> bool:
    return bool(await bench.journal.read(run_id, limit=1))


def _mark(turn: int, looks: dict[int, Look], answered: dict[int, float], kept: list[tuple[int, int]]) -> Mark:
    begin = begin_of(turn)
    before, after = looks[begin], looks[turn]
    window = kept[begin:turn]
    return Mark(
        turn=turn,
        ms=round(1000 * (answered[turn] - answered[begin]) / (turn - begin), 1),
        cpu_ms=spent(before.cpu, after.cpu, max(after.turn - before.turn, 1)),
        events=statistics.median(events for events, _ in window),
        size=statistics.median(size for _, size in window),
        events_so_far=round(sum(events for events, _ in kept[:turn]) / turn, 2),
        size_so_far=round(sum(size for _, size in kept[:turn]) / turn),
    )


async def _answered(bench: Bench, run_id: str) -> dict[int, float]:
    """When each turn was answered."""
    found: dict[int, float] = {}
    after = 0
    while page := await bench.journal.read(run_id, after=after, types=("turn_answered",)):
        found |= {one.event.turn: one.at.timestamp() for one in page if isinstance(one.event, TurnAnswered)}
        after = page[-1].seq
    return found


async def _by_turn(client: Client, workflow_id: str) -> list[tuple[int, int]]:
    """Events and bytes of each turn, over the chain of executions; what begins an execution counts with its first."""
    executions = [one async for one in client.list_workflows(f"WorkflowId = '{workflow_id}'")]
    found: list[tuple[int, int]] = []
    events = size = 0
    for execution in sorted(executions, key=lambda one: one.start_time):
        handle = client.get_workflow_handle(workflow_id, run_id=execution.run_id)
        first = True
        async for event in handle.fetch_history_events():
            if event.activity_task_scheduled_event_attributes.activity_type.name == "call_model":
                if not first:
                    found.append((events, size))
                    events = size = 0
                first = False
            events, size = events + 1, size + event.ByteSize()
        found.append((events, size))
        events = size = 0
    return found


def show_long(marks: list[Mark]) -> None:
    console = Console(width=150)
    names = list(marks[0].cpu_ms)
    table = Table(
        "turn", "ms", "CPU ms", *names, "events", "bytes", "events so far", "bytes so far", title="A turn of a long run"
    )
    for one in marks:
        cpu = [f"{one.cpu_ms[name]:.1f}" for name in names]
        told = [f"{one.events:g}", f"{one.size:g}", f"{one.events_so_far}", f"{one.size_so_far:g}"]
        table.add_row(str(one.turn), f"{one.ms:.0f}", f"{sum(one.cpu_ms.values()):.1f}", *cpu, *told)
    console.print(table)
