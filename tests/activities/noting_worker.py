"""A program for `test_late_tasks`: a worker whose activity writes down which attempt it makes.

python -m tests.activities.noting_worker ADDRESS QUEUE FILE
"""

import asyncio
import sys
from datetime import timedelta
from pathlib import Path

from temporalio import activity, workflow
from temporalio.client import Client
from temporalio.common import RetryPolicy
from temporalio.worker import Worker

from activities.boundary import Boundary
from adapters.instances import Instance

HEARTBEAT = timedelta(seconds=3)
"""Each attempt that a hung worker was given is given up after so long."""


class Noting:
    def __init__(self, path: Path) -> None:
        self._path = path

    @activity.defn
    async def note(self) -> None:
        with self._path.open("a") as file:
            file.write(f"{activity.info().attempt}\n")


@workflow.defn
class Noted:
    @workflow.run
    async def run(self, queue: str) -> None:
        await workflow.execute_activity(
            "note",
            task_queue=queue,
            start_to_close_timeout=timedelta(minutes=1),
            heartbeat_timeout=HEARTBEAT,
            retry_policy=RetryPolicy(initial_interval=timedelta(milliseconds=10), backoff_coefficient=1.0),
        )


async def main(address: str, queue: str, path: str) -> None:
    client = await Client.connect(address)
    file = Path(path)
    noting = Noting(file)
    boundary = Boundary(Instance(file.parent))
    async with Worker(client, task_queue=queue, activities=[noting.note], interceptors=[boundary]):
        print("ready", flush=True)  # noqa: T201  whoever stops it waits for this
        await asyncio.Event().wait()


if __name__ == "__main__":
    asyncio.run(main(*sys.argv[1:]))
