"""The stack under an outage: a provider that counts when it was asked, and a worker with waits to scale."""

import asyncio
import os
import sys
import time
from collections.abc import AsyncGenerator
from contextlib import AsyncExitStack, asynccontextmanager
from dataclasses import dataclass
from pathlib import Path

import yaml
from temporalio.client import Client
from temporalio.contrib.pydantic import pydantic_data_converter
from typing_extensions import override

from adapters.blobs import ObjectBlobs
from adapters.embedded.postgres import EmbeddedPostgres
from adapters.embedded.temporal import EmbeddedTemporal
from adapters.journal.migrate import migrate
from adapters.journal.postgres import PostgresJournal
from adapters.models.scripted import ScriptedServer
from adapters.models.scripted.counts import Counter
from adapters.models.scripted.faults import Fault
from adapters.models.scripted.question import Question
from adapters.settings import DEFAULT_AGENT_UID
from domain.weather import WeatherRules

ROOT = Path(__file__).parents[2]
QUEUE = "benchmark"
OUTAGE_SECONDS = 1800.0
"""What an outage stands for: waits are shortened as it is."""
PRICES = """
as_of: 2026-11-01
models:
  "scripted:*": {input: 3.0, output: 15.0, cache_read: 0.3, cache_write: 3.75}
"""
SCRIPT = """
about: So many turns of one small command each, slowly, then finish.
latency_ms: 300
piece_characters: 40
piece_ms: 20
conversations:
  - when: {tool: bash}
    turns:
      - repeat: {turns: "{arg}"}
        text: In this turn I look at what is there, and say with some words what I found in it and what comes next.
        reasoning: This is turn {n}; what would come next?
        calls:
          - {name: bash, arguments: {command: "echo turn {n} >> log.txt"}}
      - repeat: {turns: 50}
        text: Done.
        calls:
          - {name: finish, arguments: {summary: "Wrote it down."}}
"""


class TimedCounter(Counter):
    """Also remembers when it was asked, and when it refused."""

    def __init__(self) -> None:
        super().__init__()
        self.asked_at: list[float] = []
        self.refused_at: list[float] = []

    @override
    def asked(self, question: Question) -> None:
        super().asked(question)
        self.asked_at.append(time.time())

    @override
    def faulted(self) -> None:
        super().faulted()
        self.refused_at.append(time.time())


@dataclass(frozen=True)
class Sky:
    client: Client
    journal: PostgresJournal
    model: ScriptedServer
    counter: TimedCounter
    rules: WeatherRules

    def close(self, model: str, status: int, cut: int) -> None:
        """From now on this model does not answer; the first that ask are cut off in the middle of what they pay for."""
        if cut:
            self.model.fault(Fault(kind="drop_midway", model=model, times=cut))
        self.model.fault(Fault(kind="status", status=status, model=model, times=1_000_000))

    def open(self) -> None:
        self.model.app.faults.clear()


def scaled(outage_seconds: float) -> WeatherRules:
    """The shipped rules, their longest waits shortened as the outage is."""
    rules, scale = WeatherRules(), min(1.0, outage_seconds / OUTAGE_SECONDS)
    longest = max(rules.first_wait_seconds, rules.longest_wait_seconds * scale)
    return rules.model_copy(update={"longest_wait_seconds": round(longest, 3)})


@asynccontextmanager
async def sky(home: Path, outage_seconds: float) -> AsyncGenerator[Sky]:
    rules = scaled(outage_seconds)
    (home / "site.yaml").write_text(yaml.safe_dump({"weather": rules.model_dump()}))
    (home / "prices.yaml").write_text(PRICES)
    async with AsyncExitStack() as stack:
        postgres = EmbeddedPostgres(home / "postgres")
        dsn = await postgres.start()
        stack.push_async_callback(postgres.stop)
        await migrate(dsn)
        temporal = EmbeddedTemporal(home / "temporal")
        await temporal.start()
        stack.push_async_callback(temporal.stop)
        model, counter = ScriptedServer(), TimedCounter()
        model.app.counter = counter
        model.add("slow", SCRIPT)
        model.add("slow-too", SCRIPT)
        await model.start()
        stack.push_async_callback(model.stop)
        variables = {
            "PATH": os.environ["PATH"],
            "HOME": str(home),
            "PERDURE_HOME": str(home),
            "PERDURE_TASK_QUEUE": QUEUE,
            "PERDURE_AGENT_UID": str(DEFAULT_AGENT_UID),
            "PERDURE_SITE": str(home / "site.yaml"),
            "PERDURE_PRICES": str(home / "prices.yaml"),
            "DATABASE_URL": dsn,
            "TEMPORAL_ADDRESS": temporal.address,
            "SCRIPTED_BASE_URL": model.base_url,
        }
        stack.push_async_callback(_ended, await _worker(home, variables))
        journal = await PostgresJournal.connect(dsn, ObjectBlobs(f"file://{home / 'blobs'}"))
        stack.push_async_callback(journal.close)
        client = await Client.connect(temporal.address, data_converter=pydantic_data_converter)
        yield Sky(client, journal, model, counter, rules)


async def _worker(home: Path, variables: dict[str, str]) -> asyncio.subprocess.Process:
    with (home / "worker.log").open("ab") as log:
        return await asyncio.create_subprocess_exec(
            sys.executable, "worker.py", cwd=ROOT, env=variables, stdout=log, stderr=log
        )


async def _ended(process: asyncio.subprocess.Process) -> None:
    process.terminate()
    await process.wait()
