import time
from datetime import timedelta

from temporalio import workflow
from temporalio.api.enums.v1 import EventType
from temporalio.client import Client
from temporalio.worker import UnsandboxedWorkflowRunner, Worker
from uuid_utils import uuid7

from adapters.temporal import patient

SECONDS = 3.0
"""More than the SDK grants."""
SHORT = timedelta(seconds=1)


@workflow.defn
class Starved:
    @workflow.run
    async def run(self) -> str:
        time.sleep(SECONDS)  # noqa: ASYNC251 - that nothing else gets on is what is tried
        return "done"


async def test_a_decision_on_a_machine_short_of_cpu_is_not_taken_for_one_that_hangs(temporal_client: Client) -> None:
    queue = f"starved-{uuid7()}"
    worker = Worker(
        temporal_client,
        task_queue=queue,
        workflows=[Starved],
        workflow_runner=UnsandboxedWorkflowRunner(),
        build_id="starved",
    )
    async with patient(worker):
        handle = await temporal_client.start_workflow(
            Starved.run, id=queue, task_queue=queue, task_timeout=timedelta(seconds=60)
        )
        assert await handle.result() == "done"
    failed = [
        event
        async for event in handle.fetch_history_events()
        if event.event_type == EventType.EVENT_TYPE_WORKFLOW_TASK_FAILED
    ]
    assert not failed


async def test_a_decision_that_takes_longer_than_its_timeout_is_given_more_time_each_time(
    temporal_client: Client,
) -> None:
    queue = f"slow-{uuid7()}"
    worker = Worker(temporal_client, task_queue=queue, workflows=[Starved], workflow_runner=UnsandboxedWorkflowRunner())
    async with patient(worker):
        handle = await temporal_client.start_workflow(Starved.run, id=queue, task_queue=queue, task_timeout=SHORT)
        assert await handle.result() == "done"
