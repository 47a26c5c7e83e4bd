"""Which version of the worker runs go to, as an operator sees and chooses it."""

import asyncio
import json
import time
from datetime import timedelta
from pathlib import Path

from temporalio import workflow
from temporalio.client import Client
from temporalio.common import PinnedVersioningOverride, VersioningBehavior, WorkerDeploymentVersion
from temporalio.worker import UnsandboxedWorkflowRunner, Worker, WorkerDeploymentConfig

from adapters.deployments.known import Deployments
from cli.outcome import Outcome
from cli.versions import Standing, look
from tests.cli.conftest import Up, perdure

NO_TIME = timedelta()


@workflow.defn(name="Waiting")
class Waiting:
    @workflow.run
    async def run(self) -> None:
        await workflow.wait_condition(lambda: False)


def worker(client: Client, queue: str, build_id: str) -> Worker:
    config = WorkerDeploymentConfig(
        version=WorkerDeploymentVersion(queue, build_id),
        use_worker_versioning=True,
        default_versioning_behavior=VersioningBehavior.AUTO_UPGRADE,
    )
    runner = UnsandboxedWorkflowRunner()
    return Worker(client, task_queue=queue, workflows=[Waiting], workflow_runner=runner, deployment_config=config)


async def current(deployments: Deployments, build_id: str) -> None:
    """Once Temporal has heard of a worker of it."""
    deadline = time.monotonic() + 60
    while (known := await deployments.describe()) is None or known.version(build_id) is None:
        assert time.monotonic() < deadline
        await asyncio.sleep(0.3)
    await deployments.make_current(build_id)


async def test_a_version_that_nobody_serves_and_what_is_pinned_to_it_are_amiss(temporal_client: Client) -> None:
    queue = f"deploy-{time.monotonic_ns()}"
    deployments = Deployments(temporal_client, queue)
    async with worker(temporal_client, queue, "a"):
        await current(deployments, "a")
        pinned = PinnedVersioningOverride(WorkerDeploymentVersion(queue, "a"))
        handle = await temporal_client.start_workflow(
            Waiting.run, id=f"{queue}/pinned", task_queue=queue, versioning_override=pinned
        )
        await handle.query("__stack_trace")
        standing = await look(temporal_client, queue)
        assert standing.problems == ()
        assert standing.summary == f"{queue}: runs go to a (1 ask for work)"
    standing = await until_amiss(temporal_client, queue)
    assert [one.found for one in standing.problems] == [
        "No worker of a asks for work.",
        "1 workflows are pinned to a, which nobody serves.",
    ]
    assert "python worker.py" in standing.problems[0].remedy
    assert "auto_upgrade" in standing.problems[1].remedy
    await handle.terminate()


async def until_amiss(client: Client, queue: str) -> Standing:
    """As if 90 seconds had passed: nobody who asked before now counts."""
    deadline = time.monotonic() + 60
    while True:
        standing = await look(client, queue, heard_within=NO_TIME)
        if len(standing.problems) == 2 or time.monotonic() > deadline:
            return standing
        await asyncio.sleep(0.3)


def test_the_stack_that_is_up_serves_its_own_code(up: Up) -> None:
    shown = perdure(up.home, "deploy", "--json")
    assert shown.returncode == Outcome.DONE, shown.stderr
    standing = json.loads(shown.stdout)
    (version,) = standing["versions"]
    assert standing["deployment"] == "perdure"
    assert (version["build_id"], version["state"], version["workers"]) == (standing["current"], "current", 1)
    assert standing["problems"] == []
    looked = perdure(up.home, "doctor", "--json")
    (check,) = [one for one in json.loads(looked.stdout) if one["name"] == "worker's versions"]
    assert check["ok"], check
    assert standing["current"] in check["found"]


def test_a_version_without_a_worker_is_refused_and_the_one_that_serves_may_be_named(up: Up) -> None:
    refused = perdure(up.home, "deploy", "unheard-of")
    assert refused.returncode == Outcome.REFUSED
    assert "No worker of unheard-of asks for work" in refused.stderr
    assert perdure(up.home, "deploy", "--ramp", "10").returncode == Outcome.USAGE
    named = json.loads(perdure(up.home, "deploy", "--json").stdout)["current"]
    again = perdure(up.home, "deploy", named)
    assert again.returncode == Outcome.DONE, again.stderr
    assert f"runs go to {named}" in again.stdout


def test_without_a_server_it_says_so(new_home: Path) -> None:
    asked = perdure(new_home, "deploy")
    assert asked.returncode == Outcome.REFUSED
    assert "No Temporal server is named" in asked.stderr
