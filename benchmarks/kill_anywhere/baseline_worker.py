"""The baseline's worker, in a process of its own."""

import asyncio
import os
import signal
import sys
from pathlib import Path

from temporalio.client import Client
from temporalio.contrib.pydantic import pydantic_data_converter
from temporalio.worker import Worker
from temporalio.worker.workflow_sandbox import SandboxedWorkflowRunner, SandboxRestrictions

from benchmarks.kill_anywhere.baseline import QUEUE, PlainActivities, PlainAgent
from benchmarks.kill_anywhere.boundaries import DIRECTORY, Boundaries

READY = "the baseline's worker is ready"


async def main() -> None:
    stop = asyncio.Event()
    asyncio.get_running_loop().add_signal_handler(signal.SIGTERM, stop.set)
    client = await Client.connect(os.environ["TEMPORAL_ADDRESS"], data_converter=pydantic_data_converter)
    given = os.environ
    plain = PlainActivities(
        Path(given["PLAIN_DIRECTORY"]),
        Path(given["PLAIN_LEDGER"]),
        given["SCRIPTED_BASE_URL"],
        given["FORGE_PULLS"],
        given["FORGE_TOKEN"],
        Boundaries(Path(given[DIRECTORY])).reach,
    )
    restrictions = SandboxRestrictions.default.with_passthrough_modules("domain", "benchmarks", "httpx2", "pydantic")
    async with Worker(
        client,
        task_queue=QUEUE,
        workflows=[PlainAgent],
        activities=[plain.ask, plain.act, plain.end, plain.open_pull_request],
        build_id="plain",
        workflow_runner=SandboxedWorkflowRunner(restrictions=restrictions),
    ):
        print(READY, flush=True)
        await stop.wait()


if __name__ == "__main__":
    try:
        asyncio.run(main())
    finally:
        sys.stdout.flush()
        os._exit(0)
