"""Versions of the worker as Temporal's Worker Deployments know them: which there are, and which one serves."""

import re
from collections.abc import Mapping
from datetime import UTC, datetime, timedelta
from typing import Literal

from google.protobuf.timestamp_pb2 import Timestamp
from temporalio.api.enums.v1 import (
    RoutingConfigUpdateState,
    TaskQueueType,
    WorkerDeploymentVersionStatus,
    WorkerVersioningMode,
)
from temporalio.api.taskqueue.v1 import TaskQueue
from temporalio.api.workflowservice.v1 import (
    CountWorkflowExecutionsRequest,
    DescribeTaskQueueRequest,
    DescribeWorkerDeploymentRequest,
    DescribeWorkerDeploymentResponse,
    SetWorkerDeploymentCurrentVersionRequest,
    SetWorkerDeploymentRampingVersionRequest,
)
from temporalio.client import Client
from temporalio.service import RPCError, RPCStatusCode

from domain.errors import Conflict, NotFound, PerdureError, WorldError
from domain.value import Value

UNVERSIONED = ""
"""The build id that stands for all workers without versioning."""
HEARD_WITHIN = timedelta(seconds=90)
"""Temporal keeps the dead on its list for five minutes; the living ask again within a minute."""
CALL_WITHIN = timedelta(seconds=5)
"""Calls are tried again within it: servers take few of these at a time."""
UNSUPPORTED = (RPCStatusCode.UNIMPLEMENTED, RPCStatusCode.PERMISSION_DENIED)
"""What servers say that have no deployments, or have them switched off."""

SPREADING = RoutingConfigUpdateState.ROUTING_CONFIG_UPDATE_STATE_IN_PROGRESS

State = Literal["current", "ramping", "draining", "drained", "inactive"]
STATES: Mapping[int, State] = {
    WorkerDeploymentVersionStatus.WORKER_DEPLOYMENT_VERSION_STATUS_CURRENT: "current",
    WorkerDeploymentVersionStatus.WORKER_DEPLOYMENT_VERSION_STATUS_RAMPING: "ramping",
    WorkerDeploymentVersionStatus.WORKER_DEPLOYMENT_VERSION_STATUS_DRAINING: "draining",
    WorkerDeploymentVersionStatus.WORKER_DEPLOYMENT_VERSION_STATUS_DRAINED: "drained",
}


class Version(Value):
    """`was_used` once it was current or ramping."""

    build_id: str
    state: State
    created_at: datetime
    was_used: bool


class Deployment(Value):
    """`current` is the build id that serves, empty where workers without versioning do; `versions`: newest first."""

    name: str
    current: str = UNVERSIONED
    ramping: str | None = None
    percentage: float = 0.0
    settled: bool = True
    """Whether every task queue knows by now."""
    versions: tuple[Version, ...] = ()
    token: bytes = b""

    def version(self, build_id: str) -> Version | None:
        return next((one for one in self.versions if one.build_id == build_id), None)


class Deployments:
    """Those of one task queue: `perdure` has the deployment `perdure`."""

    def __init__(self, client: Client, task_queue: str, heard_within: timedelta = HEARD_WITHIN) -> None:
        self._client = client
        self._heard_within = heard_within
        self._service = client.workflow_service
        self._task_queue = task_queue
        self.name = deployment_name(task_queue)

    async def supported(self) -> bool:
        """False where the server has no deployments."""
        try:
            await self._described()
        except RPCError as error:
            if error.status == RPCStatusCode.NOT_FOUND:
                return True
            if error.status in UNSUPPORTED:
                return False
            raise unreachable(error) from error
        return True

    async def describe(self) -> Deployment | None:
        """None before the first worker with versioning."""
        try:
            return deployment(self.name, await self._described())
        except RPCError as error:
            if error.status in (RPCStatusCode.NOT_FOUND, *UNSUPPORTED):
                return None
            raise unreachable(error) from error

    async def make_current(self, build_id: str, token: bytes = b"") -> None:
        """Conflict where it changed since `token`, NotFound where no worker of that version ever was."""
        request = SetWorkerDeploymentCurrentVersionRequest(
            namespace=self._client.namespace,
            deployment_name=self.name,
            build_id=build_id,
            conflict_token=token,
            identity=self._client.identity,
            # Workers without versioning register no queues; those with it serve one, and a retry finds it.
            ignore_missing_task_queues=build_id == UNVERSIONED,
        )
        try:
            await self._service.set_worker_deployment_current_version(request, retry=True, timeout=CALL_WITHIN)
        except RPCError as error:
            raise self._refusal(error, build_id) from error

    async def ramp(self, build_id: str, percentage: float) -> None:
        """Gives a version this share of all runs; 0 ends its ramp."""
        request = SetWorkerDeploymentRampingVersionRequest(
            namespace=self._client.namespace,
            deployment_name=self.name,
            build_id=build_id if percentage else "",
            percentage=percentage,
            identity=self._client.identity,
        )
        try:
            await self._service.set_worker_deployment_ramping_version(request, retry=True, timeout=CALL_WITHIN)
        except RPCError as error:
            raise self._refusal(error, build_id) from error

    async def served(self) -> Mapping[str, int]:
        """How many workers ask for work now, by build id; those without versioning under `UNVERSIONED`."""
        request = DescribeTaskQueueRequest(
            namespace=self._client.namespace,
            task_queue=TaskQueue(name=self._task_queue),
            task_queue_type=TaskQueueType.TASK_QUEUE_TYPE_WORKFLOW,
        )
        try:
            answer = await self._service.describe_task_queue(request, retry=True, timeout=CALL_WITHIN)
        except RPCError as error:
            raise unreachable(error) from error
        since = datetime.now(UTC) - self._heard_within
        found: dict[str, int] = {}
        for poller in answer.pollers:
            options = poller.deployment_options
            versioned = options.worker_versioning_mode == WorkerVersioningMode.WORKER_VERSIONING_MODE_VERSIONED
            if poller.last_access_time.ToDatetime(UTC) > since:
                build_id = options.build_id if versioned else UNVERSIONED
                found[build_id] = found.get(build_id, 0) + 1
        return found

    async def count(self, query: str) -> int:
        """Of open workflows of this queue that `query` finds besides; 0 where the server cannot search for that."""
        wanted = f"ExecutionStatus = 'Running' AND TaskQueue = '{self._task_queue}' AND {query}"
        request = CountWorkflowExecutionsRequest(namespace=self._client.namespace, query=wanted)
        try:
            return int((await self._service.count_workflow_executions(request, retry=True, timeout=CALL_WITHIN)).count)
        except RPCError as error:
            if error.status in (RPCStatusCode.INVALID_ARGUMENT, *UNSUPPORTED):
                return 0
            raise unreachable(error) from error

    async def _described(self) -> DescribeWorkerDeploymentResponse:
        request = DescribeWorkerDeploymentRequest(namespace=self._client.namespace, deployment_name=self.name)
        return await self._service.describe_worker_deployment(request, retry=True, timeout=CALL_WITHIN)

    def _refusal(self, error: RPCError, build_id: str) -> PerdureError:
        if error.status == RPCStatusCode.NOT_FOUND:
            return NotFound(f"No worker of version {build_id} has served {self.name}", "`perdure deploy` lists them.")
        if error.status in (RPCStatusCode.FAILED_PRECONDITION, RPCStatusCode.ABORTED):
            return Conflict(f"Version {build_id} cannot be chosen: {error.message}", "Is a worker of it up?")
        return unreachable(error)


def deployment_name(task_queue: str) -> str:
    """Temporal refuses `.` and `:` in names of deployments."""
    return re.sub(r"[.:]", "-", task_queue)


def deployment(name: str, answer: DescribeWorkerDeploymentResponse) -> Deployment:
    found = answer.worker_deployment_info
    routing = found.routing_config
    ramping = routing.ramping_deployment_version.build_id
    ramps = bool(ramping) or routing.ramping_version_percentage > 0
    versions = [
        Version(
            build_id=one.deployment_version.build_id,
            state=STATES.get(one.status, "inactive"),
            created_at=_time(one.create_time),
            was_used=one.HasField("first_activation_time"),
        )
        for one in found.version_summaries
    ]
    return Deployment(
        name=name,
        current=routing.current_deployment_version.build_id,
        ramping=ramping if ramps else None,
        percentage=round(routing.ramping_version_percentage, 1),
        settled=found.routing_config_update_state != SPREADING,
        versions=tuple(sorted(versions, key=lambda one: one.created_at, reverse=True)),
        token=answer.conflict_token,
    )


def unreachable(error: RPCError) -> WorldError:
    return WorldError(
        f"Temporal cannot say which version serves: {error.message}"[:500], "Is it up, and is this allowed?"
    )


def _time(stamp: Timestamp) -> datetime:
    return stamp.ToDatetime(UTC)
