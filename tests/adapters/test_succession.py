"""What a dead worker had is tried again at once."""

import time
from datetime import timedelta
from uuid import uuid4

from temporalio import workflow
from temporalio.api.taskqueue.v1 import TaskQueue
from temporalio.api.workflowservice.v1 import PollActivityTaskQueueRequest, PollActivityTaskQueueResponse
from temporalio.client import Client, WorkflowHandle
from temporalio.common import RetryPolicy, SearchAttributePair, TypedSearchAttributes
from temporalio.worker import UnsandboxedWorkflowRunner, Worker

from adapters.succession import fail_tasks, failing_what_they_had_not_begun
from adapters.temporal import ensure_search_attributes
from workflows.attributes import RUN_STATUS

HEARTBEAT = timedelta(seconds=60)
"""Nobody waits so long here."""
SOON_SECONDS = 30.0


@workflow.defn
class Asking:
    @workflow.run
    async def run(self) -> None:
        await workflow.execute_activity(
            "work",
            heartbeat_timeout=HEARTBEAT,
            start_to_close_timeout=HEARTBEAT,
            task_queue=f"{workflow.info().task_queue}/work",
            retry_policy=RetryPolicy(initial_interval=timedelta(seconds=60)),
        )


async def begun(client: Client) -> WorkflowHandle[Asking, None]:
    """A run whose activity nobody has yet."""
    await ensure_search_attributes(client)
    queue = f"succession-{uuid4().hex}"
    status = TypedSearchAttributes([SearchAttributePair(RUN_STATUS, "running")])
    worker = Worker(client, task_queue=queue, workflows=[Asking], workflow_runner=UnsandboxedWorkflowRunner())
    async with worker:
        handle = await client.start_workflow(Asking.run, id=queue, task_queue=queue, search_attributes=status)
        while not (await handle.describe()).raw_description.pending_activities:
            pass
    return handle


async def taken(client: Client, queue: str, identity: str) -> PollActivityTaskQueueResponse:
    """As Temporal gives it to a worker of this identity."""
    asked = PollActivityTaskQueueRequest(
        namespace=client.namespace, task_queue=TaskQueue(name=f"{queue}/work"), identity=identity
    )
    return await client.workflow_service.poll_activity_task_queue(asked, timeout=timedelta(seconds=SOON_SECONDS))


async def test_what_the_dead_had_begun_is_tried_again_at_once(temporal_client: Client) -> None:
    handle = await begun(temporal_client)
    task = await taken(temporal_client, handle.id, "host/dead")
    await fail_tasks(temporal_client, [(task.task_token, task.attempt), (b"nonsense", 1)])
    assert (await taken(temporal_client, handle.id, "host/next")).attempt == 2
    await handle.terminate()


async def test_what_the_dead_had_not_begun_is_found_and_what_the_living_do_is_left_alone(
    temporal_client: Client,
) -> None:
    handle = await begun(temporal_client)
    await taken(temporal_client, handle.id, "host/dead")
    async with failing_what_they_had_not_begun(temporal_client, handle.id, ["host/dead"]):
        second = await taken(temporal_client, handle.id, "host/living")
    assert second.attempt == 2
    async with failing_what_they_had_not_begun(temporal_client, handle.id, ["host/dead"]):
        until = time.monotonic() + 2
        while time.monotonic() < until:
            (pending,) = (await handle.describe()).raw_description.pending_activities
            assert (pending.attempt, pending.last_worker_identity) == (2, "host/living")
    await handle.terminate()
