"""What Temporal gave to a worker while it hung."""

import asyncio
import signal
import sys
from pathlib import Path

from temporalio.client import Client
from temporalio.worker import UnsandboxedWorkflowRunner, Worker
from uuid_utils import uuid7

from activities.boundary import LATE_SECONDS
from tests.activities.noting_worker import HEARTBEAT, Noted

ATTEMPTS = 3
"""That are given up while it hangs; the next one is its own when it comes back."""


async def test_a_worker_that_hung_makes_only_what_temporal_still_waits_for(
    temporal_client: Client, temporal_address: str, tmp_path: Path
) -> None:
    assert HEARTBEAT.total_seconds() > LATE_SECONDS
    queue, noted = f"late-{uuid7()}", tmp_path / "noted"
    program = (sys.executable, "-m", "tests.activities.noting_worker", temporal_address, queue, str(noted))
    process = await asyncio.create_subprocess_exec(*program, stdout=asyncio.subprocess.PIPE)
    try:
        assert process.stdout is not None
        assert await process.stdout.readline() == b"ready\n"
        await asyncio.sleep(1)  # until its polls have reached the server
        process.send_signal(signal.SIGSTOP)
        deciding = Worker(
            temporal_client,
            task_queue=f"{queue}-decisions",
            workflows=[Noted],
            workflow_runner=UnsandboxedWorkflowRunner(),
            build_id="late",
        )
        async with deciding:
            handle = await temporal_client.start_workflow(Noted.run, queue, id=queue, task_queue=f"{queue}-decisions")
            await asyncio.sleep(ATTEMPTS * HEARTBEAT.total_seconds() + 1)
            process.send_signal(signal.SIGCONT)
            await handle.result()
            await asyncio.sleep(1)  # whatever else it was given would be made now
    finally:
        process.kill()
        await process.wait()
    assert noted.read_text().split() == [str(ATTEMPTS + 1)]
