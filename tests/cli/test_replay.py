"""Whether this code can take over the runs of a live server."""

import json
import time
from pathlib import Path

import httpx2
from temporalio import workflow
from temporalio.client import Client
from temporalio.worker import UnsandboxedWorkflowRunner, Worker

from cli.outcome import Outcome
from cli.replay import Replayed, replayed
from domain.workspace import WorkspaceRef
from tests.cli.conftest import Up, perdure
from tests.cli.test_everything_killed import bearer, until
from workflows.verify import VerifyInput


@workflow.defn(name="VerifyWorkflow")
class OtherVerify:
    """As if an earlier version had waited first."""

    def __init__(self) -> None:
        self.told = False

    @workflow.signal
    def tell(self) -> None:
        self.told = True

    @workflow.run
    async def run(self, input: VerifyInput) -> str:
        await workflow.sleep(0.01)
        await workflow.wait_condition(lambda: self.told)
        return input.run_id


async def test_what_would_not_go_on_is_named_with_the_command_that_differs(temporal_client: Client) -> None:
    queue = f"replay-{time.monotonic_ns()}"
    workspace = WorkspaceRef(workspace_id="w", host_id="h", generation=1)
    given = VerifyInput(run_id="r", agent="coder", round=1, commands=1, workspace=workspace)
    runner = UnsandboxedWorkflowRunner()
    async with Worker(
        temporal_client, task_queue=queue, workflows=[OtherVerify], workflow_runner=runner, build_id="other"
    ):
        for name in ("open", "closed"):
            handle = await temporal_client.start_workflow(
                OtherVerify.run, given, id=f"{queue}/{name}", task_queue=queue
            )
            if name == "closed":
                await handle.signal(OtherVerify.tell)
                await handle.result()
            else:
                await handle.query("__stack_trace")
        found = await all_of(temporal_client, queue, 2)
    assert {one.workflow_id: one.is_open for one in found} == {f"{queue}/open": True, f"{queue}/closed": False}
    assert all("TMPRL1100" in one.diverged and "TimerStarted" in one.diverged for one in found)


async def all_of(client: Client, queue: str, wanted: int) -> list[Replayed]:
    """Once visibility, which lags behind, knows of all."""
    deadline = time.monotonic() + 30
    while True:
        found = [one async for one in replayed(client, queue, sample=5, open_only=False)]
        if len(found) == wanted or time.monotonic() > deadline:
            return found


def test_runs_of_a_stack_that_is_up_go_on_with_this_code(up: Up) -> None:
    asked = {"task": "Fix it", "model": "scripted:demo", "plan": False}
    answer = httpx2.post(f"{up.answers['api']}/v1/runs", json=asked, headers=bearer(up))
    assert answer.status_code == 201, answer.text
    until(up, answer.json()["id"], lambda keys: "turn/1" in keys)
    looked = perdure(up.home, "replay", "--sample", "3", "--json")
    assert looked.returncode == Outcome.DONE, looked.stdout + looked.stderr
    found = json.loads(looked.stdout)
    assert "RunWorkflow" in {one["kind"] for one in found}
    assert [one for one in found if one["diverged"]] == []
    told = perdure(up.home, "replay", "--sample", "1")
    assert "0 would not go on with this code" in told.stdout


def test_without_a_server_it_says_so(new_home: Path) -> None:
    asked = perdure(new_home, "replay")
    assert asked.returncode == Outcome.REFUSED
    assert "No Temporal server is named" in asked.stderr
    lenient = perdure(new_home, "replay", "--if-up")
    assert lenient.returncode == Outcome.DONE
    assert "nothing live was replayed" in lenient.stdout
