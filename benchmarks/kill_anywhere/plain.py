"""The baselines under the same kills: Temporal and a worker, nothing else."""

import asyncio
import json
import time
from contextlib import suppress
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit, urlunsplit

from temporalio.client import Client, WorkflowExecutionStatus
from temporalio.common import WorkflowIDReusePolicy
from temporalio.contrib.pydantic import pydantic_data_converter
from temporalio.exceptions import WorkflowAlreadyStartedError
from temporalio.service import RPCError

from adapters.embedded.temporal import EmbeddedTemporal
from benchmarks.kill_anywhere.baseline import QUEUE, PlainAgent, PlainInput
from benchmarks.kill_anywhere.baseline_worker import READY
from benchmarks.kill_anywhere.boundaries import DIRECTORY
from benchmarks.kill_anywhere.kept import Kept, Program, inherited
from benchmarks.kill_anywhere.trace import Trace
from benchmarks.kill_anywhere.work import Work
from benchmarks.kill_anywhere.world import REPOSITORY, World

LOOKS_EVERY_SECONDS = 0.5
OPEN = WorkflowExecutionStatus.RUNNING


class Plain:
    """`attempts` of 0 is Temporal's default."""

    def __init__(self, name: str, home: Path, world: World, attempts: int) -> None:
        self.name, self._world, self._attempts = name, world, attempts
        self.home = home / name.split()[0]
        self.worker_home = self.home / "work-0"
        self.parts: dict[str, Kept] = {}
        self.traces: list[Trace] = []
        self.boundaries = self.home / "boundaries"
        self._ledger = self.home / "ledger.jsonl"
        self._address = ""
        self._workers = 0
        self._states: dict[str, WorkflowExecutionStatus | None] = {}
        self._looking: asyncio.Task[None] | None = None

    async def start(self) -> None:
        self.home.mkdir(mode=0o711)
        self.boundaries.mkdir()
        temporal = EmbeddedTemporal(self.home / "temporal")
        self.parts["Temporal"] = Kept(temporal)
        await self.parts["Temporal"].start()
        self._address = temporal.address
        self.parts["worker"] = self._worker()
        await self.parts["worker"].start()
        await self.parts["worker"].ready()
        self._client = await Client.connect(self._address, data_converter=pydantic_data_converter)
        self._looking = asyncio.create_task(self._look())

    async def stop(self) -> None:
        if self._looking is not None:
            self._looking.cancel()
        for name in ("worker", "Temporal"):
            await self.parts[name].leave()

    def _worker(self) -> Kept:
        forge = self._world.forge
        environment = {
            **inherited(self.home),
            DIRECTORY: str(self.boundaries),
            "TEMPORAL_ADDRESS": self._address,
            "SCRIPTED_BASE_URL": self._world.model.base_url,
            "PLAIN_DIRECTORY": str(self.worker_home),
            "PLAIN_LEDGER": str(self._ledger),
            "FORGE_PULLS": f"{forge.api_url}/repos/{REPOSITORY}/pulls",
            "FORGE_TOKEN": self._world.token,
        }
        arguments = ["-m", "benchmarks.kill_anywhere.baseline_worker"]
        return Kept(Program(arguments, environment, self.home / "worker.log", READY))

    def other_worker(self) -> Kept:
        self._workers += 1
        self.worker_home = self.home / f"work-{self._workers}"
        return self._worker()

    async def decide(self, older_than_seconds: float) -> None:
        """It asks nobody."""

    async def submit(self, work: Work, name: str) -> Trace:
        trace = Trace(name, work, began=time.time(), branch=name if work.publish != "none" else "")
        self.traces.append(trace)
        given = PlainInput(
            run=name,
            work=work.name,
            repository=self._with_token() if work.repository else "",
            push=work.publish != "none",
            pull_request=work.publish == "pull_request",
            attempts=self._attempts,
        )
        once = WorkflowIDReusePolicy.REJECT_DUPLICATE
        while not trace.run_id:
            try:
                await self._client.start_workflow(
                    PlainAgent.run, given, id=name, task_queue=QUEUE, id_reuse_policy=once
                )
                trace.run_id = name
            except WorkflowAlreadyStartedError:
                trace.run_id = name
            except RPCError:
                await asyncio.sleep(0.3)
        return trace

    def is_over(self, trace: Trace) -> bool:
        return self._states.get(trace.run_id, OPEN) not in (OPEN, None)

    async def complete(self) -> list[Trace]:
        noted = [json.loads(line) for line in self._ledger.read_text().splitlines()]
        for trace in self.traces:
            self._fill(trace, [one for one in noted if one["run"] == trace.name])
            state = self._states.get(trace.run_id)
            trace.why = state.name if state is not None else "unknown"
            if state == WorkflowExecutionStatus.COMPLETED:
                trace.status, trace.ended = "completed", trace.progress[-1]
                trace.files = await self._client.get_workflow_handle(trace.run_id, result_type=str).result()
            if trace.branch:
                trace.updates, trace.pulls = self._world.updates(trace.branch), self._world.pulls(trace.branch)
        return self.traces

    def _fill(self, trace: Trace, noted: list[dict[str, Any]]) -> None:
        trace.asked = self._world.asked(trace.name)
        trace.progress = [one["at"] for one in noted if one["what"] != "begun"]
        begun = [one for one in noted if one["what"] == "begun"]
        seen: set[str] = set()
        for one in begun:
            if one["step"] in seen:
                trace.redone.append(one["at"])
            seen.add(one["step"])
        trace.writes = len(seen)

    def _with_token(self) -> str:
        parts = urlsplit(self._world.url)
        return urlunsplit(parts._replace(netloc=f"perdure:{self._world.token}@{parts.netloc}"))

    async def _look(self) -> None:
        while True:
            await asyncio.sleep(LOOKS_EVERY_SECONDS)
            for trace in self.traces:
                if trace.run_id and not self.is_over(trace):
                    with suppress(RPCError):
                        described = await self._client.get_workflow_handle(trace.run_id).describe()
                        self._states[trace.run_id] = described.status
