"""Runs as Temporal knows them: how one is started, and how it is told something."""

import asyncio
from collections.abc import Awaitable, Callable, Mapping, Sequence
from datetime import UTC, datetime, timedelta

from temporalio.api.enums.v1 import TaskQueueType, WorkerVersioningMode
from temporalio.api.taskqueue.v1 import PollerInfo, TaskQueue
from temporalio.api.workflowservice.v1 import DescribeTaskQueueRequest
from temporalio.client import (
    Client,
    WorkflowExecutionStatus,
    WorkflowHandle,
    WorkflowUpdateFailedError,
    WorkflowUpdateRPCTimeoutOrCancelledError,
)
from temporalio.common import (
    Priority,
    WorkflowIDConflictPolicy,
    WorkflowIDReusePolicy,
)
from temporalio.exceptions import ApplicationError, WorkflowAlreadyStartedError
from temporalio.service import RPCError, RPCStatusCode

from api.hindrances import Hindrance, Hindrances, Silence, Stranded, nowhere, unsigned
from api.parts import Word
from domain.approval import DecideApproval
from domain.errors import CallerError, Conflict, InvalidRequest, NotFound, WorldError
from domain.mailbox import CancelRun, PauseRun, ResumeRun, SendMessage
from domain.run import RunInput
from workflows.attributes import first_attributes
from workflows.options import TASK_TIMEOUT

WORKFLOW = "RunWorkflow"
WORDS: dict[type[Word], str] = {
    PauseRun: "pause",
    ResumeRun: "resume",
    CancelRun: "cancel",
    SendMessage: "send_message",
    DecideApproval: "decide_approval",
}
ANSWER_WITHIN = timedelta(seconds=2)
"""How long a run has to take a word before it is left in its mailbox as a signal."""
ATTEMPTS = 3
AGAIN_SECONDS = 0.2
CALL_WITHIN = timedelta(seconds=3)
HEARD_WITHIN = timedelta(seconds=90)
REFUSALS: dict[str | None, type[CallerError]] = {
    "NotFound": NotFound,
    "Conflict": Conflict,
    "InvalidRequest": InvalidRequest,
}

Connect = Callable[[], Awaitable[Client]]


def workflow_id(run_id: str) -> str:
    return f"run/{run_id}"


class JustEnding(Conflict):
    """Temporal takes no word for this execution of the run, and says that it runs."""


class TemporalRuns:
    """`connect` is called again until it succeeds once: the API starts, and takes runs in, while Temporal is down."""

    def __init__(
        self,
        connect: Connect,
        task_queue: str,
        signal_decisions: bool = True,
        silence: Silence = unsigned,
        stranded: Stranded = nowhere,
    ) -> None:
        self._connect = connect
        self._connected: Client | None = None
        self._connecting = asyncio.Lock()
        self._task_queue = task_queue
        self._signal_decisions = signal_decisions
        self._hindrances = Hindrances(self._client, self.workers, task_queue, silence, stranded)

    @classmethod
    def over(cls, client: Client, task_queue: str, signal_decisions: bool = True) -> "TemporalRuns":
        """Over a client that is connected already."""

        async def connected() -> Client:
            return client

        return cls(connected, task_queue, signal_decisions)

    async def start(self, run: RunInput) -> None:
        client = await self._client()
        try:
            await client.start_workflow(
                WORKFLOW,
                run,
                id=workflow_id(run.run_id),
                task_queue=self._task_queue,
                # A run that ended is never begun again by a late sweep.
                id_reuse_policy=WorkflowIDReusePolicy.REJECT_DUPLICATE,
                id_conflict_policy=WorkflowIDConflictPolicy.USE_EXISTING,
                static_summary=run.title,
                search_attributes=first_attributes(run),
                task_timeout=TASK_TIMEOUT,
                priority=Priority(priority_key=run.priority, fairness_key=run.owner[:64] or None),
                rpc_timeout=CALL_WITHIN,
            )
        except WorkflowAlreadyStartedError:
            return
        except RPCError as error:
            raise unreachable(error) from error

    async def send(self, run_id: str, word: Word, attempt: int = 1) -> bool:
        handle = (await self._client()).get_workflow_handle(workflow_id(run_id))
        name = WORDS[type(word)]
        try:
            try:
                # The client tries a call that timed out again, so its own limit alone does not hold.
                async with asyncio.timeout(ANSWER_WITHIN.total_seconds()):
                    await handle.execute_update(name, word, rpc_timeout=ANSWER_WITHIN)
            except (TimeoutError, WorkflowUpdateRPCTimeoutOrCancelledError):
                await self._leave(handle, name, word)
                return False
        except WorkflowUpdateFailedError as error:
            raise refusal(error.cause) from error
        except RPCError as error:
            if error.status != RPCStatusCode.NOT_FOUND:
                raise unreachable(error) from error
            closed = await self._closed_or_unknown(handle)
            if not isinstance(closed, JustEnding) or attempt == ATTEMPTS:
                raise closed from error
            # Or it is just continuing as new, and what comes after it hears the word.
            await asyncio.sleep(AGAIN_SECONDS)
            return await self.send(run_id, word, attempt + 1)
        return True

    async def check(self) -> None:
        client = await self._client()
        try:
            await client.service_client.check_health(timeout=CALL_WITHIN)
        except RPCError as error:
            raise unreachable(error) from error

    async def workers(self) -> Sequence[str]:
        client = await self._client()
        request = DescribeTaskQueueRequest(
            namespace=client.namespace,
            task_queue=TaskQueue(name=self._task_queue),
            task_queue_type=TaskQueueType.TASK_QUEUE_TYPE_WORKFLOW,
        )
        try:
            answer = await client.workflow_service.describe_task_queue(request, timeout=CALL_WITHIN)
        except RPCError as error:
            raise unreachable(error) from error
        # Temporal keeps the dead on its list for five minutes; the living ask again within a minute.
        since = datetime.now(UTC) - HEARD_WITHIN
        routes = answer.versioning_info
        ramping = routes.ramping_deployment_version.build_id
        # Empty where workers have no versions.
        serving = {routes.current_deployment_version.build_id, *([ramping] if ramping else ())}
        return [
            one.identity
            for one in answer.pollers
            if one.last_access_time.ToDatetime(UTC) > since and version_of(one) in serving
        ]

    async def hindrances(self) -> Mapping[str, Hindrance]:
        return await self._hindrances.known()

    async def _leave(self, handle: WorkflowHandle[object, object], name: str, word: Word) -> None:
        """Nobody answers: the word waits as the signal of the same name."""
        if isinstance(word, DecideApproval) and not self._signal_decisions:
            raise WorldError(
                "No worker is up to take the decision, and decisions by signal are switched off",
                "Send it again once a worker is up.",
                retry_after_seconds=10.0,
            )
        await handle.signal(name, word, rpc_timeout=CALL_WITHIN)

    async def _closed_or_unknown(self, handle: WorkflowHandle[object, object]) -> CallerError | WorldError:
        try:
            status = (await handle.describe(rpc_timeout=CALL_WITHIN)).status
        except RPCError as error:
            if error.status == RPCStatusCode.NOT_FOUND:
                return NotFound("Temporal knows no workflow of this run")
            return unreachable(error)
        if status == WorkflowExecutionStatus.RUNNING:
            return JustEnding("The run is just ending", "Ask again in a moment.")
        how = status.name.lower().replace("_", " ") if status else "closed"
        return Conflict(f"The run's workflow has ended ({how})", "An ended run takes no commands.")

    async def _client(self) -> Client:
        if self._connected is None:
            async with self._connecting:
                self._connected = self._connected or await self._connect_now()
        return self._connected

    async def _connect_now(self) -> Client:
        try:
            async with asyncio.timeout(CALL_WITHIN.total_seconds()):
                return await self._connect()
        except (TimeoutError, RuntimeError, RPCError) as error:
            raise unreachable(error) from error


def version_of(poller: PollerInfo) -> str:
    """Its build id, where its worker has a version."""
    options = poller.deployment_options
    versioned = options.worker_versioning_mode == WorkerVersioningMode.WORKER_VERSIONING_MODE_VERSIONED
    return options.build_id if versioned else ""


def refusal(cause: BaseException) -> CallerError | WorldError:
    """Why a run did not take a word: the type that the workflow gave its ApplicationError."""
    if not isinstance(cause, ApplicationError):
        return WorldError("The run could not take this just now", "Try again in a moment.", 2.0)
    error = REFUSALS.get(cause.type, Conflict)
    return error(cause.message, str(cause.details[0]) if cause.details else "")


def unreachable(error: BaseException) -> WorldError:
    return WorldError(
        f"Temporal cannot be reached: {error}"[:500],
        "Nothing is lost. Runs are still taken in and start once Temporal answers; send commands again then.",
        retry_after_seconds=5.0,
    )
