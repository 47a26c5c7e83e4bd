"""The stack, and a crowd of runs in it that all wait for their plan to be approved."""

import asyncio
import math
import sys
import time
from collections.abc import AsyncGenerator
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from pathlib import Path

import httpx2
from temporalio.client import Client
from temporalio.contrib.pydantic import pydantic_data_converter

from adapters.blobs import ObjectBlobs
from adapters.embedded.postgres import EmbeddedPostgres
from adapters.embedded.temporal import EmbeddedTemporal
from adapters.journal.migrate import migrate
from adapters.journal.postgres import PostgresJournal
from adapters.models.scripted import ScriptedServer
from benchmarks.turns.processes import Watched
from tests.fixtures.stack import Stack, make_stack

AT_ONCE = 48
"""So many runs are planned at a time: a queue of thousands would only make each of them late."""
LOOK_SECONDS = 0.3
TOLD_EVERY = 250
ATTEMPTS = 10
PLANNED = """
about: A plan in one turn; then one command, and the end.
conversations:
  - when: {tool: propose_plan}
    turns:
      - calls: [{name: propose_plan, arguments: {summary: Say so, steps: [{title: Say it}]}}]
  - when: {tool: bash}
    turns:
      - calls: [{name: bash, arguments: {command: "echo so"}}]
      - calls: [{name: finish, arguments: {summary: Said so.}}]
      - calls: [{name: finish, arguments: {summary: Said so.}}]
"""


@dataclass
class Crowd:
    stack: Stack
    journal: PostgresJournal
    client: Client
    temporal: EmbeddedTemporal
    postgres: EmbeddedPostgres
    ids: list[str] = field(default_factory=list)

    @property
    def watched(self) -> list[Watched]:
        worker, api = self.stack.worker.running, self.stack.api.running
        assert worker is not None
        assert api is not None
        return [
            Watched("worker", worker.pid),
            Watched("api", api.pid),
            Watched("temporal", self.temporal.pid or 0),
            Watched("postgres", self.postgres.pid or 0),
        ]

    @property
    def home(self) -> Path:
        """The worker's."""
        return Path(self.stack.environment["PERDURE_WORKER_HOME"])

    async def waiting(self) -> int:
        counts = {one.status: one.runs for one in await self.journal.run_counts()}
        assert "failed" not in counts, self.stack.worker.log.read_text()[-5000:]
        return counts.get("waiting", 0)

    async def gather(self, runs: int, seconds: float = math.inf) -> None:
        """Brings runs in, no more at once than can be planned, and returns when so many of them wait; after `seconds`
        it brings in no more."""
        there = told = 0
        began = time.monotonic()
        while there < runs:
            there = await self.waiting()
            if time.monotonic() - began > seconds:
                runs = len(self.ids)
            room = min(AT_ONCE - (len(self.ids) - there), runs - len(self.ids))
            numbers = range(len(self.ids), len(self.ids) + room)
            self.ids += await asyncio.gather(*(self._submit(f"waiting-{number}") for number in numbers))
            if there - told >= TOLD_EVERY:
                told = there
                sys.stderr.write(f"{time.monotonic() - began:7.0f} s: {there} of {runs} runs wait\n")
            await asyncio.sleep(LOOK_SECONDS)

    async def _submit(self, key: str) -> str:
        """The run's id; one connection in thousands is lost on a busy machine, and the key makes asking again safe."""
        spec = {"task": "Say so.", "model": "scripted:planned", "plan_approval": True}
        for attempt in range(ATTEMPTS):
            try:
                answer = await self.stack.http.post("/v1/runs", json=spec, headers={"Idempotency-Key": key})
                return str(answer.raise_for_status().json()["id"])
            except httpx2.TransportError:
                await asyncio.sleep(attempt)
        raise RuntimeError(self.stack.api.log.read_text(errors="replace")[-3000:])

    async def until_released(self, seconds: float) -> float:
        """Until no workspace is open on the host, or that takes too long; the seconds that it took."""
        began = time.monotonic()
        while True:
            took = time.monotonic() - began
            if not self.directories() or took > seconds:
                return took
            await asyncio.sleep(LOOK_SECONDS)

    def directories(self) -> int:
        """Workspaces that lie open on the host."""
        return sum(1 for _ in (self.home / "workspaces").glob("w-*"))

    def activities(self) -> int:
        """Activities that run in the worker, each of which holds a slot."""
        return sum(1 for _ in self.home.glob("instances/*/tokens/*"))

    async def restart_worker(self) -> float:
        """Killed and started again: seconds until it serves."""
        await self.stack.worker.kill()
        before, began = self._served(), time.monotonic()
        await self.stack.worker.start()
        while True:
            if self._served() > before:
                return time.monotonic() - began
            await asyncio.sleep(0.05)

    def _served(self) -> int:
        return self.stack.worker.log.read_text(errors="replace").count("ready: serves")


@asynccontextmanager
async def crowd(home: Path, release_after: float) -> AsyncGenerator[Crowd]:
    temporal, postgres = EmbeddedTemporal(home / "temporal"), EmbeddedPostgres(home / "postgres")
    address, dsn = await temporal.start(), await postgres.start()
    await migrate(dsn)
    scripted = await ScriptedServer().start()
    scripted.add("planned", PLANNED)
    stack = make_stack(home, dsn, address, scripted)
    stack.environment["PERDURE_RELEASE_AFTER_SECONDS"] = str(release_after)
    journal = await PostgresJournal.connect(dsn, ObjectBlobs(f"file://{stack.home / 'stack' / 'blobs'}"))
    client = await Client.connect(address, data_converter=pydantic_data_converter)
    try:
        await stack.api.start()
        await stack.worker.start()
        await stack.up()
        yield Crowd(stack, journal, client, temporal, postgres)
    finally:
        await stack.http.aclose()
        await stack.worker.kill()
        await stack.api.kill()
        stack.remote.stop()
        await scripted.stop()
        await journal.close()
        await postgres.stop()
        await temporal.stop()
