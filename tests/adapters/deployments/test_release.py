"""Which version runs go to, with real workers on a real Temporal server."""

import asyncio
import contextlib
import itertools
import time
from collections.abc import AsyncGenerator
from datetime import timedelta
from pathlib import Path

import pytest
from temporalio import workflow
from temporalio.client import Client, WorkflowHandle
from temporalio.worker import UnsandboxedWorkflowRunner, Worker

from adapters.deployments.known import Deployment, Deployments
from adapters.deployments.release import Release
from adapters.embedded.temporal import EmbeddedTemporal
from adapters.settings import load_settings
from domain.errors import Conflict, NotFound

SECONDS = 60.0
_numbers = itertools.count()


@workflow.defn(name="Waiting")
class Waiting:
    def __init__(self) -> None:
        self.told = False

    @workflow.signal
    def tell(self) -> None:
        self.told = True

    @workflow.run
    async def run(self) -> str:
        await workflow.wait_condition(lambda: self.told)
        return "done"


class Queue:
    """A task queue of the test's own, and releases of workers that serve it."""

    def __init__(self, client: Client) -> None:
        self.client = client
        self.name = f"releases.{next(_numbers)}-{time.monotonic_ns()}"
        self.deployments = Deployments(client, self.name)

    @contextlib.asynccontextmanager
    async def served(
        self,
        build_id: str,
        promote: str = "new",
        versioned: bool = True,
        heard_within: timedelta = timedelta(seconds=90),
    ) -> AsyncGenerator[None]:
        # The SDK takes no two workers of one version on one connection.
        client = await Client.connect(self.client.service_client.config.target_host)
        deployments = Deployments(client, self.name, heard_within)
        release = Release(deployments, build_id, versioned, promote, look_seconds=0.5)
        runner = UnsandboxedWorkflowRunner()
        options = release.options()
        worker = Worker(client, task_queue=self.name, workflows=[Waiting], workflow_runner=runner, **options)
        async with worker, release.taking_over():
            yield

    async def until_current(self, build_id: str) -> None:
        deadline = time.monotonic() + SECONDS
        while (current := await self.current()) != build_id:
            assert time.monotonic() < deadline, current
            await asyncio.sleep(0.3)

    async def current(self) -> str:
        return (await self.known()).current

    async def known(self) -> Deployment:
        found = await self.deployments.describe()
        assert found is not None
        return found


@pytest.fixture
def queue(temporal_client: Client) -> Queue:
    return Queue(temporal_client)


async def test_a_new_version_takes_over_and_an_old_one_that_restarts_does_not(queue: Queue) -> None:
    assert await queue.deployments.describe() is None
    async with queue.served("a"):
        await queue.until_current("a")
        async with queue.served("b"):
            await queue.until_current("b")
            async with queue.served("a"):
                await asyncio.sleep(0.5)
                await queue.until_current("b")
    known = await queue.known()
    assert [(one.build_id, one.was_used) for one in known.versions] == [("b", True), ("a", True)]


async def test_a_version_that_was_stepped_back_from_stays_back_when_it_restarts(queue: Queue) -> None:
    async with queue.served("a"), queue.served("b"):
        await queue.deployments.make_current("a")
        async with queue.served("b"):
            await asyncio.sleep(0.5)
            await queue.until_current("a")


async def test_what_was_started_last_serves_where_that_is_wanted(queue: Queue) -> None:
    async with queue.served("a"), queue.served("b"), queue.served("a", promote="always"):
        await queue.until_current("a")


async def test_a_version_waits_for_a_word_where_that_is_wanted(queue: Queue) -> None:
    async with queue.served("a"), queue.served("b", promote="never"):
        await queue.until_current("a")
        await queue.deployments.ramp("b", 25)
        known = await queue.known()
        assert (known.ramping, known.percentage) == ("b", 25)
        await queue.deployments.ramp("b", 0)
        assert (await queue.known()).ramping is None
        with pytest.raises((NotFound, Conflict)):
            await queue.deployments.make_current("unheard-of")


async def test_an_old_version_takes_over_again_when_nobody_serves_the_newer_one(queue: Queue) -> None:
    short = timedelta(seconds=0.5)
    async with queue.served("a"), queue.served("b"):
        pass
    async with queue.served("a", heard_within=short):
        await queue.until_current("a")


async def test_runs_move_from_workers_without_versions_to_those_with_them_and_back(queue: Queue) -> None:
    async def waiting(name: str) -> WorkflowHandle[Waiting, str]:
        return await queue.client.start_workflow(Waiting.run, id=f"{queue.name}/{name}", task_queue=queue.name)

    async with queue.served("old", versioned=False):
        first = await waiting("first")
        await asyncio.wait_for(first.query("__stack_trace"), SECONDS)
    async with queue.served("a"):
        await first.signal(Waiting.tell)
        assert await asyncio.wait_for(first.result(), SECONDS) == "done"
        second = await waiting("second")
        await asyncio.wait_for(second.query("__stack_trace"), SECONDS)
    async with queue.served("off", versioned=False):
        await second.signal(Waiting.tell)
        assert await asyncio.wait_for(second.result(), SECONDS) == "done"
        assert await queue.current() == ""


async def test_a_run_goes_on_three_versions_later_with_no_worker_of_its_own_left(queue: Queue) -> None:
    handle = None
    for build_id in ("a", "b", "c", "d"):
        async with queue.served(build_id):
            if handle is None:
                handle = await queue.client.start_workflow(
                    Waiting.run, id=f"{queue.name}/months", task_queue=queue.name
                )
                await asyncio.wait_for(handle.query("__stack_trace"), SECONDS)
            if build_id == "d":
                await handle.signal(Waiting.tell)
                assert await asyncio.wait_for(handle.result(), SECONDS) == "done"
    assert handle is not None
    described = await handle.describe()
    assert described.raw_description.workflow_execution_info.versioning_info.deployment_version.build_id == "d"


async def test_a_server_without_deployments_gets_workers_without_versions(tmp_path: Path) -> None:
    server = EmbeddedTemporal(tmp_path, extra_config=["system.enableDeploymentVersions=false"])
    try:
        client = await Client.connect(await server.start())
        release = await Release.of(client, load_settings({"PERDURE_HOME": str(tmp_path)}), "a")
        assert release.options() == {"build_id": "a"}
        async with release.taking_over():
            assert await Deployments(client, "perdure").describe() is None
    finally:
        server.kill()
        await server.wait()
