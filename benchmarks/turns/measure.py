"""One batch of runs, and what it cost."""

import asyncio
import time
from collections.abc import Awaitable, Callable
from dataclasses import dataclass

from temporalio.client import Client
from uuid_utils import uuid7

from benchmarks.turns.baseline import QUEUE as BASELINE_QUEUE
from benchmarks.turns.baseline import BareLoop, LoopInput
from benchmarks.turns.parts import QUEUE, Bench
from benchmarks.turns.processes import cpu_of, spent
from domain.limits import Limits
from domain.ports import Submission
from domain.run import RunInput, RunSpec


@dataclass(frozen=True)
class Batch:
    """`cpu` is in milliseconds per turn by process."""

    name: str
    runs: int
    turns: int
    seconds: float
    cpu: dict[str, float]
    ids: list[str]

    @property
    def turns_per_second(self) -> float:
        return self.runs * self.turns / self.seconds

    @property
    def cpu_total(self) -> float:
        return sum(self.cpu.values())


async def perdure(bench: Bench, runs: int, turns: int) -> Batch:
    """`turns` turns of one sandboxed command each; the two that end the run are counted as turns, too."""
    ids = [str(uuid7()) for _ in range(runs)]
    return await _timed(bench, "perdure", ids, turns + 2, lambda run_id: run_of_turns(bench, run_id, turns))


async def bare(bench: Bench, runs: int, turns: int) -> Batch:
    ids = [f"bare-{uuid7()}" for _ in range(runs)]
    return await _timed(bench, "bare Temporal", ids, turns, lambda run_id: _loop(bench.client, run_id, turns))


async def _timed(bench: Bench, name: str, ids: list[str], turns: int, start: Callable[[str], Awaitable[None]]) -> Batch:
    before, began = cpu_of(bench.watched), time.monotonic()
    await asyncio.gather(*(start(run_id) for run_id in ids))
    seconds = time.monotonic() - began
    cpu = spent(before, cpu_of(bench.watched), len(ids) * turns)
    return Batch(name, len(ids), turns, seconds, cpu, ids)


async def run_of_turns(bench: Bench, run_id: str, turns: int) -> None:
    """To its end."""
    limits = Limits(turns=10_000, cost_usd=None)
    model = f"scripted:echo@{turns}"
    spec = RunSpec(task=f"Say {turns} times which turn it is.", plan=False, publish="none", limits=limits)
    await bench.journal.submit(Submission(run_id=run_id, spec=spec, model=model, owner="bench"))
    given = RunInput(
        run_id=run_id,
        agent="coder",
        model=model,
        title=spec.task,
        plan=False,
        plan_approval=False,
        publish="none",
        publish_approval=False,
        has_repository=False,
        has_setup=False,
        verify_commands=0,
        limits=limits,
        priority=3,
        owner="bench",
        repository="",
    )
    result = await bench.client.execute_workflow("RunWorkflow", given, id=f"run/{run_id}", task_queue=QUEUE)
    assert result["status"] == "completed", result


async def _loop(client: Client, run_id: str, turns: int) -> None:
    await client.execute_workflow(BareLoop.run, LoopInput(turns=turns), id=run_id, task_queue=BASELINE_QUEUE)


async def history(client: Client, workflow_id: str) -> tuple[int, int]:
    """Events and bytes of a workflow's history, over its whole chain of executions."""
    events = size = 0
    async for execution in client.list_workflows(f"WorkflowId = '{workflow_id}'"):
        handle = client.get_workflow_handle(workflow_id, run_id=execution.run_id)
        async for event in handle.fetch_history_events():
            events += 1
            size += event.ByteSize()
    return events, size
