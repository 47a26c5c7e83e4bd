"""Runs go on while the code beneath them changes: a rolling deploy, a broken one, and the way back."""

import asyncio
import shutil
import time
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import pytest_asyncio
from temporalio.client import Client

from adapters.deployments.known import Deployment, Deployments
from tests.fixtures.stack import ROOT, Process, Stack
from tests.workflows.scripts import BROKEN, CHECK, MEND

SECONDS = 150.0
CODE = ("domain", "activities", "adapters", "workflows")
AT_THE_END = '        self.closed = f"The run is {ending.status}."\n'
AT_THE_BEGINNING = "        attending = asyncio.create_task(self.attendance.attend())\n"
PATCHED = f"""        if workflow.patched("says-so"):
            from domain.event import StatusChanged
            await record(self.run_id, ("upgraded", StatusChanged(status="running", by="b")))
{AT_THE_END}"""
UNPATCHED = f"        await workflow.sleep(1)\n{AT_THE_BEGINNING}"


CALL_INPUT = "class CallToolInput(Value):\n"
GROWN = f'{CALL_INPUT}    of_tomorrow: str = "known to b alone"\n'


def other_code(directory: Path, changes: dict[str, tuple[str, str]]) -> Path:
    """The workers' code as it is now, but for one place in each of these files."""
    for name in CODE:
        shutil.copytree(ROOT / name, directory / name, ignore=shutil.ignore_patterns("__pycache__"))
    shutil.copy(ROOT / "worker.py", directory)
    for name, (place, instead) in changes.items():
        text = (directory / name).read_text()
        assert text.count(place) == 1, f"{name} has changed: choose another place"
        (directory / name).write_text(text.replace(place, instead))
    return directory


class Upgrade:
    """Two versions of the worker on one queue, each with a home of its own, and which of them serves."""

    def __init__(self, stack: Stack, deployments: Deployments) -> None:
        self.stack = stack
        self.deployments = deployments
        self.workers: list[Process] = []

    async def start(self, build_id: str, directory: Path = ROOT, promote: str = "never") -> Process:
        home = self.stack.home / f"worker-{build_id}"
        named = {"PERDURE_BUILD_ID": build_id, "PERDURE_PROMOTE": promote, "PERDURE_WORKER_HOME": str(home)}
        argv = [*self.stack.worker.argv[:-1], str(directory / "worker.py")]
        worker = Process(argv, self.stack.environment | named, self.stack.home / f"worker-{build_id}.log")
        await worker.start()
        self.workers.append(worker)
        deadline = time.monotonic() + SECONDS
        while "ready: serves" not in worker.log.read_text():
            assert worker.running is not None
            assert worker.running.returncode is None and time.monotonic() < deadline, worker.log.read_text()
            await asyncio.sleep(0.1)
        return worker

    async def make_current(self, build_id: str) -> None:
        """Until every task queue knows."""
        await self.deployments.make_current(build_id)
        while True:
            if (await self.standing()).settled:
                return
            await asyncio.sleep(0.1)

    async def standing(self) -> Deployment:
        found = await self.deployments.describe()
        assert found is not None
        return found

    def said(self) -> str:
        return "".join(worker.log.read_text(errors="replace")[-4000:] for worker in self.workers)


@pytest_asyncio.fixture(loop_scope="session")
async def upgrade(stack: Stack, temporal_client: Client) -> AsyncIterator[Upgrade]:
    await stack.worker.end()
    made = Upgrade(stack, Deployments(temporal_client, stack.environment["PERDURE_TASK_QUEUE"]))
    yield made
    for worker in made.workers:
        await worker.end()


async def waits_for_its_plan(stack: Stack, name: str) -> str:
    stack.scripted.add("mend", MEND)
    repository = {"url": stack.repository(name, BROKEN)}
    run_id = await stack.submit(
        task="Mend add", repository=repository, model="scripted:mend", plan_approval=True, verify=[CHECK]
    )
    await stack.until(run_id, "plan_approval", seconds=SECONDS)
    return run_id


async def approve(stack: Stack, run_id: str) -> None:
    (card,) = (await stack.get(f"/v1/runs/{run_id}/approvals?status=pending"))["items"]
    path = f"/v1/runs/{run_id}/approvals/{card['approval_id']}"
    answer = await stack.http.post(path, json={"decision": "approve"})
    assert answer.status_code in (200, 202), answer.text


async def nothing_twice(stack: Stack, run_id: str) -> list[str]:
    """The keys of a run in which nothing was asked or done again."""
    keys = [str(event["key"]) for event in await stack.events(run_id)]
    assert len(keys) == len(set(keys))
    assert await stack.events(run_id, "tool_redone") == []
    return keys


async def turns_of(stack: Stack, run_id: str) -> list[str]:
    """The keys of its turns that were answered."""
    keys = await nothing_twice(stack, run_id)
    return [key for key in keys if key.startswith("turn/") and key.count("/") == 1]


async def test_runs_finish_on_a_new_version_when_the_old_one_is_gone(upgrade: Upgrade, tmp_path: Path) -> None:
    stack = upgrade.stack
    old = await upgrade.start("a", promote="new")
    waiting = await waits_for_its_plan(stack, "upgraded")
    asked = stack.scripted.counts().asked
    changes = {"workflows/run.py": (AT_THE_END, PATCHED), "activities/tool.py": (CALL_INPUT, GROWN)}
    code = await asyncio.to_thread(other_code, tmp_path / "b", changes)
    await upgrade.start("b", code)
    assert (await upgrade.standing()).current == "a"
    working = await stack.submit(task="Count", model="scripted:echo@80", plan=False, limits={"turns": 100})
    await stack.until_event(working, "turn/5", seconds=SECONDS)
    await upgrade.make_current("b")
    reached = len(await turns_of(stack, working))
    # Now its turns are version b's, and its calls still go to the host where a's worker has its workspace.
    await stack.until_event(working, f"turn/{min(reached + 8, 80)}", seconds=SECONDS)
    assert len(await stack.events(working, "workspace_opened")) == 1
    await old.end()
    await stack.until(working, "completed", seconds=SECONDS)
    assert stack.scripted.counts().asked - asked == len(await turns_of(stack, working))
    await approve(stack, waiting)
    run = await stack.until(waiting, "completed", seconds=SECONDS)
    assert run["verified"] is True
    for run_id in (working, waiting):
        assert "upgraded" in await nothing_twice(stack, run_id), upgrade.said()


async def test_a_broken_version_loses_no_run_and_the_way_back_is_open(upgrade: Upgrade, tmp_path: Path) -> None:
    stack = upgrade.stack
    await upgrade.start("a", promote="always")
    run_id = await waits_for_its_plan(stack, "broken")
    changes = {"workflows/run.py": (AT_THE_BEGINNING, UNPATCHED)}
    code = await asyncio.to_thread(other_code, tmp_path / "c", changes)
    await upgrade.start("c", code)
    await upgrade.make_current("c")
    await approve(stack, run_id)
    deadline = time.monotonic() + SECONDS
    while "NonDeterministicError" not in (run := await stack.get(f"/v1/runs/{run_id}"))["waiting_reason"]:
        assert time.monotonic() < deadline, run
        await asyncio.sleep(0.5)
    assert run["waiting_for"] == "worker"
    assert "perdure deploy" in run["waiting_reason"]
    listed: list[dict[str, Any]] = (await stack.get("/v1/runs"))["items"]
    assert next(one for one in listed if one["id"] == run_id)["waiting_for"] == "worker"
    await upgrade.make_current("a")
    run = await stack.until(run_id, "completed", seconds=SECONDS)
    assert run["verified"] is True
    await nothing_twice(stack, run_id)
