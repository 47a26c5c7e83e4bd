"""The real stack that is measured: Temporal, Postgres, scripted model, worker; and the baseline's own worker."""

import asyncio
import json
import os
import sys
from collections.abc import AsyncGenerator
from contextlib import AsyncExitStack, asynccontextmanager
from dataclasses import dataclass
from pathlib import Path

from temporalio.client import Client
from temporalio.contrib.pydantic import pydantic_data_converter

from adapters.blobs import ObjectBlobs
from adapters.embedded.postgres import EmbeddedPostgres
from adapters.embedded.temporal import EmbeddedTemporal
from adapters.journal.migrate import migrate
from adapters.journal.postgres import PostgresJournal
from adapters.settings import DEFAULT_AGENT_UID
from benchmarks.turns.processes import Watched

ROOT = Path(__file__).parents[2]
QUEUE = "benchmark"


@dataclass(frozen=True)
class Bench:
    client: Client
    journal: PostgresJournal
    watched: list[Watched]
    home: Path


@asynccontextmanager
async def bench(home: Path) -> AsyncGenerator[Bench]:
    async with AsyncExitStack() as stack:
        postgres = EmbeddedPostgres(home / "postgres")
        dsn = await postgres.start()
        stack.push_async_callback(postgres.stop)
        await migrate(dsn)
        temporal = EmbeddedTemporal(home / "temporal")
        await temporal.start()
        stack.push_async_callback(temporal.stop)
        model = await _start(stack, home, {}, "-m", "adapters.models.scripted", "--port", "0")
        assert model.stdout is not None
        model_url = json.loads(await model.stdout.readline())["url"]
        variables = {
            "PERDURE_HOME": str(home),
            "PERDURE_TASK_QUEUE": QUEUE,
            "PERDURE_AGENT_UID": str(DEFAULT_AGENT_UID),
            "DATABASE_URL": dsn,
            "TEMPORAL_ADDRESS": temporal.address,
            "SCRIPTED_BASE_URL": model_url,
        }
        worker = await _start(stack, home, variables, "worker.py")
        bare = await _start(stack, home, variables, "-m", "benchmarks.turns.baseline_worker")
        journal = await PostgresJournal.connect(dsn, ObjectBlobs(f"file://{home / 'blobs'}"))
        stack.push_async_callback(journal.close)
        client = await Client.connect(temporal.address, data_converter=pydantic_data_converter)
        watched = [
            Watched("worker", worker.pid),
            Watched("baseline worker", bare.pid),
            Watched("temporal", temporal.pid or 0),
            Watched("postgres", postgres.pid or 0),
            Watched("scripted model", model.pid),
        ]
        yield Bench(client, journal, watched, home)


async def _start(
    stack: AsyncExitStack, home: Path, variables: dict[str, str], *arguments: str
) -> asyncio.subprocess.Process:
    environment = {"PATH": os.environ["PATH"], "HOME": str(home), **variables}
    with (home / "processes.log").open("ab") as log:
        process = await asyncio.create_subprocess_exec(
            sys.executable, *arguments, cwd=ROOT, env=environment, stdout=asyncio.subprocess.PIPE, stderr=log
        )

    async def end() -> None:
        process.terminate()
        await process.wait()

    stack.push_async_callback(end)
    return process
