"""How quickly a Temporal server hands work out: raw calls of its API, no worker, nothing left behind."""

import asyncio
import statistics
import time
import uuid

from google.protobuf.duration_pb2 import Duration
from temporalio.api.command.v1 import (
    Command,
    CompleteWorkflowExecutionCommandAttributes,
    StartTimerCommandAttributes,
)
from temporalio.api.common.v1 import WorkflowType
from temporalio.api.enums.v1 import CommandType
from temporalio.api.taskqueue.v1 import TaskQueue
from temporalio.api.workflowservice.v1 import (
    PollWorkflowTaskQueueRequest,
    RespondWorkflowTaskCompletedRequest,
    StartWorkflowExecutionRequest,
)
from temporalio.client import Client
from temporalio.envconfig import ClientConfig

BURST = 30
"""More than a badly set server hands out before it begins to pause."""
LIMIT_SECONDS = 30.0
COMPLETE = Command(
    command_type=CommandType.COMMAND_TYPE_COMPLETE_WORKFLOW_EXECUTION,
    complete_workflow_execution_command_attributes=CompleteWorkflowExecutionCommandAttributes(),
)


async def time_round_trips(address: str, namespace: str) -> tuple[float, float]:
    """Seconds from start to the first task, the median of the later half of a burst; and of a timer of 10 ms."""
    config = ClientConfig.load_client_connect_config()
    config["target_host"] = address
    async with asyncio.timeout(LIMIT_SECONDS):
        probe = _Probe(await Client.connect(**config), namespace)
        times = [await probe.dispatch() for _ in range(BURST)]
        return statistics.median(times[BURST // 2 :]), await probe.timer()


class _Probe:
    def __init__(self, client: Client, namespace: str) -> None:
        self._service = client.workflow_service
        self._namespace = namespace
        self._queue = TaskQueue(name=f"perdure-doctor-{uuid.uuid4()}")

    async def dispatch(self) -> float:
        began = time.perf_counter()
        await self._start()
        token = await self._poll()
        took = time.perf_counter() - began
        await self._answer(token, COMPLETE)
        return took

    async def timer(self) -> float:
        await self._start()
        token = await self._poll()
        timer = StartTimerCommandAttributes(timer_id="1", start_to_fire_timeout=Duration(nanos=10_000_000))
        command = Command(command_type=CommandType.COMMAND_TYPE_START_TIMER, start_timer_command_attributes=timer)
        began = time.perf_counter()
        await self._answer(token, command)
        token = await self._poll()
        took = time.perf_counter() - began
        await self._answer(token, COMPLETE)
        return took

    async def _start(self) -> None:
        request = StartWorkflowExecutionRequest(
            namespace=self._namespace,
            workflow_id=f"perdure-doctor/{uuid.uuid4()}",
            workflow_type=WorkflowType(name="doctor"),
            task_queue=self._queue,
            # Should this process die, nothing stays.
            workflow_run_timeout=Duration(seconds=60),
            request_id=str(uuid.uuid4()),
            identity="perdure doctor",
        )
        await self._service.start_workflow_execution(request)

    async def _poll(self) -> bytes:
        while True:
            request = PollWorkflowTaskQueueRequest(
                namespace=self._namespace, task_queue=self._queue, identity="perdure doctor"
            )
            if token := (await self._service.poll_workflow_task_queue(request)).task_token:
                return token

    async def _answer(self, token: bytes, command: Command) -> None:
        request = RespondWorkflowTaskCompletedRequest(
            namespace=self._namespace, task_token=token, commands=[command], identity="perdure doctor"
        )
        await self._service.respond_workflow_task_completed(request)
