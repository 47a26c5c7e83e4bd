"""A worker that is stopped for longer than its heartbeats may be late, and then comes back in the middle of it all."""

import asyncio
import os
import signal

from tests.fixtures.stack import Stack
from tests.workflows.scripts import SLOW
from tests.workflows.test_durability import redone, undisturbed

HANGS_SECONDS = 7.0
CHECK = "sleep 9; test -f log.txt"
"""Still running when the worker comes back."""


async def hang(stack: Stack, run_id: str, during: str) -> None:
    """Temporal gives the call up while the worker stands still; its sandbox does not."""
    await stack.until_event(run_id, f"{during}/started/1")
    await asyncio.sleep(0.5)
    assert stack.worker.running is not None
    os.kill(stack.worker.running.pid, signal.SIGSTOP)
    await asyncio.sleep(HANGS_SECONDS)
    os.kill(stack.worker.running.pid, signal.SIGCONT)


async def test_a_worker_that_hung_never_takes_a_killed_command_for_a_result(stack: Stack) -> None:
    expected = await undisturbed(stack)
    stack.scripted.add("slow", SLOW)
    run_id = await stack.submit(task="Log", model="scripted:slow", plan=False, verify=[CHECK])
    await hang(stack, run_id, "turn/2/call/0")
    await hang(stack, run_id, "verify/1/call/0")
    run = await stack.until(run_id, "completed")
    assert run["result"]["snapshot_id"] == expected["snapshot_id"]
    assert run["result"]["verified"] is True
    assert stack.scripted.counts().asked == 6
    assert set(await redone(stack, run_id)) <= {"turn/2/call/0/redone/1", "verify/1/call/0/redone/1"}
