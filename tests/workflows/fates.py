"""Several workers, and what is left of them."""

import asyncio
import contextlib
import logging
import signal
import time
from collections.abc import AsyncGenerator
from pathlib import Path
from typing import Any

import psutil

from tests.fixtures.stack import PATIENCE_SECONDS, Process, Stack
from tests.workflows.test_durability import redone

LOG = logging.getLogger(__name__)
LONG = """
about: A command that takes longer than a worker that drains waits for.
conversations:
  - when: {tool: bash}
    turns:
      - calls:
          - {name: bash, arguments: {command: "export KEPT=yes; mkdir -p sub; cd sub; echo one >> log.txt"}}
      - calls:
          - {name: bash, arguments: {command: "echo two >> log.txt; sleep 20; echo $KEPT in $PWD >> log.txt"}}
      - calls:
          - {name: bash, arguments: {command: "pwd; echo $KEPT; cat log.txt"}}
      - expect: "/workspace/sub\\nyes\\none\\ntwo\\nyes in /workspace/sub"
        calls:
          - {name: finish, arguments: {summary: Said so.}}
      - calls:
          - {name: finish, arguments: {summary: Said so.}}
"""
LONG_CALL = "turn/2/call/0"
LONG_LOG = "one\ntwo\nyes in /workspace/sub\n"


async def submit(stack: Stack, script: str) -> str:
    stack.scripted.add("long", script)
    return await stack.submit(task="Log", model="scripted:long", plan=False)


@contextlib.asynccontextmanager
async def serving(worker: Process) -> AsyncGenerator[Process]:
    """Until the end of the block; dead after it, whatever became of it."""
    await worker.start()
    try:
        await worker.until_said("ready: serves", seconds=3 * PATIENCE_SECONDS)
        yield worker
    finally:
        await worker.kill()


async def finished(stack: Stack, run_id: str, seconds: float = 2 * PATIENCE_SECONDS) -> dict[str, Any]:
    """The run, completed, with what its commands wrote, each key of its journal once, and no answer asked twice."""
    run = await stack.until(run_id, "completed", seconds=seconds)
    content = await stack.http.get(f"/v1/runs/{run_id}/files", params={"path": "sub/log.txt"})
    assert LONG_LOG in content.text or LONG_LOG.replace("\n", "\\n") in content.text, content.text
    keys = [event["key"] for event in await stack.events(run_id)]
    assert len(keys) == len(set(keys))
    assert stack.scripted.counts().asked == 5
    return run


async def holder(run_id: str, *workers: Process) -> Process:
    """Which of them makes the run's call just now."""
    for _ in range(200):
        above = {pid for line in await asyncio.to_thread(processes, run_id) for pid in ancestors(int(line.split()[0]))}
        for worker in workers:
            if worker.running is not None and worker.running.pid in above:
                return worker
        await asyncio.sleep(0.05)
    raise AssertionError(f"nobody makes a call of {run_id}")


def ancestors(pid: int) -> set[int]:
    with contextlib.suppress(psutil.Error):
        return {one.pid for one in psutil.Process(pid).parents()}
    return set()


async def hosts_of(stack: Stack, run_id: str) -> list[str]:
    """Of its openings, one after the other."""
    return [one["event"]["host_id"] for one in await stack.events(run_id, "workspace_opened")]


async def no_process_is_left(marker: str, seconds: float = 15.0) -> None:
    """`marker` stands in the arguments of what must be gone."""
    deadline = time.monotonic() + seconds
    while left := await asyncio.to_thread(processes, marker):
        assert time.monotonic() < deadline, left
        await asyncio.sleep(0.1)


def processes(marker: str) -> list[str]:
    found: list[str] = []
    for path in Path("/proc").glob("[0-9]*/cmdline"):
        with contextlib.suppress(OSError):
            words = path.read_bytes().replace(b"\0", b" ").decode(errors="replace")
            if marker in words:
                found.append(f"{path.parent.name} {words[:200]}")
    return found


async def comes_back_late(stack: Stack) -> None:
    """It hung for so long that another host has the run: journal and files are the other's, whatever it still does."""
    run_id = await submit(stack, LONG)
    await stack.until_event(run_id, f"{LONG_CALL}/started/1", seconds=120)
    assert stack.worker.running is not None
    stack.worker.running.send_signal(signal.SIGSTOP)
    hung = time.monotonic()
    try:
        async with serving(stack.another_worker("elsewhere", stack.home / "elsewhere")):
            await stack.until_event(run_id, f"{LONG_CALL}/started/2", seconds=120)
            LOG.info("on another host %.1f s after the worker fell silent", time.monotonic() - hung)
            # The zombie finds its command ended, its tasks given up and its generation superseded, all at once.
            stack.worker.running.send_signal(signal.SIGCONT)
            await finished(stack, run_id, seconds=120)
            hosts = await hosts_of(stack, run_id)
            assert len(hosts) == len(set(hosts)) == 2
            assert await redone(stack, run_id) == [f"{LONG_CALL}/redone/1"]
            returned = await stack.until_event(run_id, f"{LONG_CALL}/returned")
            assert returned["event"]["attempt"] == 2
            statuses = [one["event"] for one in await stack.events(run_id, "status_changed")]
            (lost,) = [one for one in statuses if one["waiting_for"] == "host"]
            assert hosts[0] in lost["reason"]
    finally:
        stack.worker.running.send_signal(signal.SIGCONT)
        await stack.worker.kill()
