"""What the next worker tells Temporal of those that died on this host: nobody waits for a timeout of theirs."""

import asyncio
import contextlib
import logging
from collections.abc import AsyncGenerator, Collection, Sequence
from datetime import UTC, datetime, timedelta

from temporalio.api.enums.v1 import PendingActivityState
from temporalio.api.workflow.v1 import PendingActivityInfo
from temporalio.api.workflowservice.v1 import DescribeWorkflowExecutionResponse
from temporalio.client import AsyncActivityHandle, Client
from temporalio.exceptions import ApplicationError
from temporalio.service import RPCError, RPCStatusCode

RETRY_FIRST, RETRY_LONGEST = timedelta(milliseconds=10), timedelta(seconds=5)
"""What the dead left is tried again after it; twice as long with each attempt, as it may be what kills the workers."""
JUST_BEGUN = timedelta(seconds=3)
MOST_RUNS = 500
OVER = (RPCStatusCode.NOT_FOUND, RPCStatusCode.INVALID_ARGUMENT)
logger = logging.getLogger("perdure.worker")


async def fail_tasks(client: Client, held: Sequence[tuple[bytes, int]]) -> None:
    """Those that the dead had begun: their tokens, each with its attempt."""
    handles = [(client.get_async_activity_handle(task_token=token), attempt) for token, attempt in held]
    failed = await asyncio.gather(*(_fail(handle, attempt) for handle, attempt in handles))
    logger.info("a dead worker's tasks: %d failed, %d over already", sum(failed), len(failed) - sum(failed))


@contextlib.asynccontextmanager
async def failing_what_they_had_not_begun(
    client: Client, task_queue: str, dead: Collection[str]
) -> AsyncGenerator[None]:
    """Beside what else goes on. `dead` are identities; nothing of theirs tells what Temporal had just given them."""
    looking = asyncio.create_task(_look(client, task_queue, dead)) if dead else None
    try:
        yield
    finally:
        if looking is not None:
            looking.cancel()
            await asyncio.gather(looking, return_exceptions=True)


async def _look(client: Client, task_queue: str, dead: Collection[str]) -> None:
    query = f"TaskQueue = '{task_queue}' AND ExecutionStatus = 'Running' AND RunStatus IN ('queued', 'running')"
    failed = 0
    try:
        async for one in client.list_workflows(query, limit=MOST_RUNS):
            run = (await client.get_workflow_handle(one.id).describe()).raw_description
            phases = [client.get_workflow_handle(phase.workflow_id).describe() for phase in run.pending_children]
            for found in (run, *[phase.raw_description for phase in await asyncio.gather(*phases)]):
                failed += await _fail_within(client, found, dead)
    except RPCError as error:
        # Their timeouts come to the same a little later.
        logger.info("what dead workers had not begun could not be looked for: %s", error)
    logger.info("what dead workers had not begun: %d failed", failed)


async def _fail_within(client: Client, found: DescribeWorkflowExecutionResponse, dead: Collection[str]) -> int:
    at = found.workflow_execution_info.execution
    theirs = [one for one in found.pending_activities if one.last_worker_identity in dead and _is_just_begun(one)]
    return sum(
        [
            await _fail(
                client.get_async_activity_handle(
                    workflow_id=at.workflow_id, run_id=at.run_id, activity_id=one.activity_id
                ),
                one.attempt,
            )
            for one in theirs
        ]
    )


def _is_just_begun(one: PendingActivityInfo) -> bool:
    """What is about to time out is left alone: it might be another worker's by the time that we are heard."""
    age = datetime.now(UTC) - one.last_started_time.ToDatetime(UTC)
    return one.state == PendingActivityState.PENDING_ACTIVITY_STATE_STARTED and age < JUST_BEGUN


async def _fail(handle: AsyncActivityHandle, attempt: int) -> bool:
    """Temporal tries it again at once. False where it is over."""
    pause = min(RETRY_FIRST * 2 ** min(attempt - 1, 20), RETRY_LONGEST)
    died = "The worker died and has been restarted."
    try:
        await handle.fail(ApplicationError(died, type="WorkerDied", next_retry_delay=pause))
    except RPCError as error:
        if error.status in OVER:
            return False
        raise
    return True
