"""The baseline's worker, in a process of its own."""

import os
import sys

from temporalio.client import Client
from temporalio.contrib.pydantic import pydantic_data_converter
from temporalio.worker import Worker
from temporalio.worker.workflow_sandbox import SandboxedWorkflowRunner, SandboxRestrictions

from benchmarks.turns.baseline import QUEUE, BareActivities, BareLoop


async def main() -> None:
    client = await Client.connect(os.environ["TEMPORAL_ADDRESS"], data_converter=pydantic_data_converter)
    bare = BareActivities(os.environ["SCRIPTED_BASE_URL"])
    worker = Worker(
        client,
        task_queue=QUEUE,
        workflows=[BareLoop],
        activities=[bare.ask, bare.act],
        build_id="baseline",
        workflow_runner=SandboxedWorkflowRunner(
            restrictions=SandboxRestrictions.default.with_passthrough_modules("domain", "benchmarks", "httpx2")
        ),
        max_concurrent_activities=200,
        max_cached_workflows=2000,
    )
    await worker.run()


if __name__ == "__main__":
    import uvloop

    try:
        uvloop.run(main())
    finally:
        sys.stdout.flush()
        os._exit(0)
