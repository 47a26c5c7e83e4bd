"""The API over real HTTP, on a real Postgres, Temporal and blob store."""

import asyncio
import contextlib
import itertools
import socket
from collections.abc import AsyncGenerator, AsyncIterator, Callable, Sequence
from dataclasses import dataclass, replace
from typing import Any

import httpx2
import pytest
import pytest_asyncio
import uvicorn
from temporalio.client import Client
from temporalio.worker import UnsandboxedWorkflowRunner, Worker

from adapters.blobs import ObjectBlobs
from adapters.forges import make_forges
from adapters.journal.postgres import PostgresJournal
from adapters.models import ProviderModels
from adapters.prompts import FilePrompts
from adapters.settings import load_settings
from adapters.temporal import ensure_search_attributes
from adapters.workspaces.snapshots import PackSnapshots
from api.app import create_app
from api.parts import ApiParts, ApiSettings
from api.runs import TemporalRuns
from domain.event import Event
from domain.record import NewEvent, RecordedEvent
from tests.api.stand_in import StandInWorkflow

TOKEN = "the-operators-own-token"
MODEL = "scripted:demo"
_numbers = itertools.count(1)


@dataclass
class Api:
    """A server that answers, and a client of it that is an admin."""

    url: str
    parts: ApiParts
    client: httpx2.AsyncClient

    async def get(self, path: str, **more: Any) -> httpx2.Response:
        return await self.client.get(path, **more)

    async def post(self, path: str, json: object = None, **more: Any) -> httpx2.Response:
        return await self.client.post(path, json=json, **more)

    async def start(self, task: str = "Mend it", **more: object) -> str:
        answer = await self.post("/v1/runs", {"task": task, **more})
        assert answer.status_code == 201, answer.text
        return str(answer.json()["id"])

    async def record(self, run_id: str, *events: tuple[str, Event]) -> Sequence[RecordedEvent]:
        return await self.parts.journal.record(run_id, [NewEvent(key=key, event=event) for key, event in events])

    def as_owner(self, token: str) -> dict[str, str]:
        return {"Authorization": f"Bearer {token}"}


Serve = Callable[[ApiParts], contextlib.AbstractAsyncContextManager[Api]]


@contextlib.asynccontextmanager
async def serving(parts: ApiParts) -> AsyncGenerator[Api]:
    @contextlib.asynccontextmanager
    async def given() -> AsyncGenerator[ApiParts]:
        yield parts

    # With the protocol named, asyncio sends at once; else each answer waits 40 ms for an acknowledgement.
    with socket.socket(socket.AF_INET, socket.SOCK_STREAM, socket.IPPROTO_TCP) as listening:
        listening.bind(("127.0.0.1", 0))
        url = f"http://127.0.0.1:{listening.getsockname()[1]}"
        config = uvicorn.Config(create_app(given), log_config=None, timeout_graceful_shutdown=1)
        server = uvicorn.Server(config)
        running = asyncio.create_task(server.serve([listening]))
        while not server.started:
            assert not running.done(), "the server did not start"
            await asyncio.sleep(0.005)
        try:
            headers = {"Authorization": f"Bearer {TOKEN}"}
            async with httpx2.AsyncClient(base_url=url, headers=headers, timeout=20) as client:
                yield Api(url, parts, client)
        finally:
            server.should_exit = True
            await running


@pytest.fixture(scope="session")
def serve() -> Serve:
    return serving


async def joined(journal: PostgresJournal, client: Client) -> ApiParts:
    """On a task queue of the test's own, that nobody serves."""
    await ensure_search_attributes(client)
    blobs = ObjectBlobs("memory://")
    return ApiParts(
        journal=journal,
        snapshots=PackSnapshots(blobs),
        blobs=blobs,
        models=ProviderModels({"SCRIPTED_BASE_URL": "http://127.0.0.1:9"}),
        prompts=FilePrompts(),
        runs=TemporalRuns.over(client, f"api-test-{next(_numbers)}"),
        tokens=journal,
        forges=make_forges(load_settings({"GITHUB_TOKEN": "t", "PERDURE_GITHUB_HOSTS": "example.com"})),
        settings=ApiSettings(api_token=TOKEN, default_model=MODEL, sweep_seconds=0.1, keep_alive_seconds=0.3),
    )


@pytest_asyncio.fixture(loop_scope="session")
async def journal(database_url: str) -> AsyncIterator[PostgresJournal]:
    journal = await PostgresJournal.connect(database_url, ObjectBlobs("memory://"))
    yield journal
    await journal.close()


@pytest_asyncio.fixture(loop_scope="session")
async def parts(journal: PostgresJournal, temporal_client: Client) -> ApiParts:
    return await joined(journal, temporal_client)


@pytest_asyncio.fixture(scope="module", loop_scope="session")
async def shared_api(module_database_url: str, temporal_client: Client) -> AsyncIterator[Api]:
    """For the tests of a module that leave nothing behind which another would see."""
    journal = await PostgresJournal.connect(module_database_url, ObjectBlobs("memory://"))
    async with serving(await joined(journal, temporal_client)) as api:
        yield api
    await journal.close()


@pytest_asyncio.fixture(loop_scope="session")
async def api(parts: ApiParts) -> AsyncIterator[Api]:
    """With no worker up."""
    async with serving(parts) as api:
        yield api


@pytest_asyncio.fixture(loop_scope="session")
async def staffed(parts: ApiParts, temporal_client: Client) -> AsyncIterator[Api]:
    """With a worker that runs runs which only listen."""
    queue = f"api-staffed-{next(_numbers)}"
    worker = Worker(
        temporal_client,
        task_queue=queue,
        workflows=[StandInWorkflow],
        workflow_runner=UnsandboxedWorkflowRunner(),
    )
    async with worker, serving(replace(parts, runs=TemporalRuns.over(temporal_client, queue))) as api:
        yield api
