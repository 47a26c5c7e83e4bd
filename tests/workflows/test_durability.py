"""Kill any part: the run finishes with the same files, and nothing recorded is asked or done again."""

import asyncio
import shutil
from pathlib import Path
from typing import Any

from tests.fixtures.stack import Stack
from tests.workflows.scripts import SLOW, SLOW_LOG

SLOW_CALL = "turn/2/call/0"


async def undisturbed(stack: Stack) -> dict[str, Any]:
    stack.scripted.add("slow", SLOW)
    run_id = await stack.submit(task="Log", model="scripted:slow", plan=False)
    run = await stack.until(run_id, "completed")
    stack.scripted.clear()
    return run["result"]


async def check(stack: Stack, run_id: str, expected: dict[str, Any]) -> None:
    run = await stack.until(run_id, "completed")
    assert run["result"]["snapshot_id"] == expected["snapshot_id"]
    content = await stack.http.get(f"/v1/runs/{run_id}/files", params={"path": "log.txt"})
    assert SLOW_LOG in content.text or SLOW_LOG.replace("\n", "\\n") in content.text
    assert stack.scripted.counts().asked == 6
    keys = [event["key"] for event in await stack.events(run_id)]
    assert len(keys) == len(set(keys))


async def redone(stack: Stack, run_id: str) -> list[str]:
    return [event["key"] for event in await stack.events(run_id, "tool_redone")]


async def test_a_run_outlives_its_worker_in_the_middle_of_a_call(stack: Stack) -> None:
    expected = await undisturbed(stack)
    run_id = await stack.submit(task="Log", model="scripted:slow", plan=False)
    await stack.until_event(run_id, f"{SLOW_CALL}/started/1")
    await asyncio.sleep(1)
    await stack.worker.kill()
    await stack.worker.start()
    await check(stack, run_id, expected)
    assert await redone(stack, run_id) == [f"{SLOW_CALL}/redone/1"]


async def test_a_run_outlives_the_disk_of_its_worker(stack: Stack) -> None:
    expected = await undisturbed(stack)
    run_id = await stack.submit(task="Log", model="scripted:slow", plan=False)
    await stack.until_event(run_id, f"{SLOW_CALL}/started/1")
    await asyncio.sleep(1)
    await stack.worker.kill()
    await asyncio.to_thread(lose, Path(stack.environment["PERDURE_WORKER_HOME"]))
    await stack.worker.start()
    await check(stack, run_id, expected)
    opened = await stack.events(run_id, "workspace_opened")
    assert [event["event"]["generation"] for event in opened] == [1, 2]
    assert opened[0]["event"]["host_id"] != opened[1]["event"]["host_id"]


async def test_a_worker_told_to_stop_hands_its_runs_over(stack: Stack) -> None:
    expected = await undisturbed(stack)
    run_id = await stack.submit(task="Log", model="scripted:slow", plan=False)
    await stack.until_event(run_id, f"{SLOW_CALL}/started/1")
    await stack.worker.end()
    await stack.worker.start()
    await check(stack, run_id, expected)


async def test_a_killed_api_loses_no_run_and_no_word(stack: Stack) -> None:
    stack.scripted.add("slow", SLOW)
    run_id = await stack.submit(task="Log", model="scripted:slow", plan=False)
    await stack.api.kill()
    await stack.api.start()
    await stack.up()
    run = await stack.until(run_id, "completed")
    assert run["result"]["status"] == "completed"


async def test_a_run_is_taken_in_and_told_things_while_no_worker_is_up(stack: Stack) -> None:
    await stack.worker.kill()
    run_id = await stack.submit(task="Count", model="scripted:echo@3", plan=False)
    assert (await stack.get(f"/v1/runs/{run_id}"))["status"] == "queued"
    assert (await stack.http.post(f"/v1/runs/{run_id}/pause", json={})).status_code == 202
    await stack.worker.start()
    await stack.until(run_id, "paused")
    assert (await stack.http.post(f"/v1/runs/{run_id}/resume", json={})).status_code == 202
    await stack.until(run_id, "completed")


def lose(home: Path) -> None:
    shutil.rmtree(home, ignore_errors=True)
    assert not (home / "host_id").exists()
