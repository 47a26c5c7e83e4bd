"""The border between activities and Temporal: errors, heartbeats and task tokens, once for all activities."""

import asyncio
import contextlib
import errno
from collections import OrderedDict
from collections.abc import AsyncGenerator
from datetime import UTC, datetime, timedelta
from typing import Any

from temporalio import activity
from temporalio.client import AsyncActivityCancelledError
from temporalio.exceptions import ApplicationError, ApplicationErrorCategory
from temporalio.service import RPCError, RPCStatusCode
from temporalio.worker import ActivityInboundInterceptor, ExecuteActivityInput, Interceptor

from domain.errors import EffectInDoubt, Fenced, OutOfSpace, PerdureError, RunStopped, WorldError
from domain.ports import LiveTasks

UNEXPECTED_ATTEMPTS = 8
"""A failure that nobody foresaw is tried so often, then it stops the run with its reason instead of looping."""

FULL_SECONDS = 15.0
"""A full disk is weather: no run dies of it, and each goes on once somebody has made room."""
SCARCE = {errno.ENOSPC, errno.EDQUOT, errno.EMFILE, errno.ENFILE, errno.ENOMEM, errno.EAGAIN}

HEARTBEAT_SECONDS = 1.0
LATE_SECONDS = 2.0
"""After Temporal gave a task out. Where the clocks of two hosts differ by more, each task costs one more question."""
REMEMBERED = 10_000


class Boundary(Interceptor):
    def __init__(self, live: LiveTasks) -> None:
        self._live = live
        self._failures = Failures()

    def intercept_activity(self, next: ActivityInboundInterceptor) -> ActivityInboundInterceptor:
        return _ActivityBoundary(next, self._live, self._failures)


class Failures:
    """How often each activity has failed here. Temporal's own number also counts workers that died or were stopped,
    and a run must not end because it lived through many deploys."""

    def __init__(self) -> None:
        self._counts: OrderedDict[tuple[str, str], int] = OrderedDict()

    def add(self, at: activity.Info) -> int:
        key = (at.workflow_run_id or "", at.activity_id)
        self._counts[key] = self._counts.pop(key, 0) + 1
        while len(self._counts) > REMEMBERED:
            self._counts.popitem(last=False)
        return self._counts[key]


class _ActivityBoundary(ActivityInboundInterceptor):
    def __init__(self, next: ActivityInboundInterceptor, live: LiveTasks, failures: Failures) -> None:
        super().__init__(next)
        self._live = live
        self._failures = failures

    async def execute_activity(self, input: ExecuteActivityInput) -> Any:
        try:
            async with self._held():
                if _is_late(activity.info()):
                    await still_wanted()
                return await super().execute_activity(input)
        except ApplicationError:
            raise
        except Exception as error:
            is_weather = isinstance(error, WorldError | OutOfSpace)
            failures = 1 if is_weather else self._failures.add(activity.info())
            raise to_application_error(error, failures) from error

    @contextlib.asynccontextmanager
    async def _held(self) -> AsyncGenerator[None]:
        """Keeps the task token where a restarted worker finds it, and heartbeats from a task of its own."""
        at = activity.info()
        if at.is_local:
            yield
            return
        self._live.hold(at.task_token, at.attempt)
        beating = asyncio.create_task(_heartbeat()) if at.heartbeat_timeout else None
        try:
            yield
        finally:
            if beating is not None:
                beating.cancel()
            self._live.release(at.task_token)


def _is_late(at: activity.Info) -> bool:
    """A worker that hung finds tasks that were given to it meanwhile, and some of them to others since."""
    return not at.is_local and (datetime.now(UTC) - at.started_time).total_seconds() > LATE_SECONDS


async def still_wanted() -> None:
    """Fenced where Temporal has given this very task up: a worker that hung comes back with tasks that others have been
    given since. Whoever is about to shut another attempt out asks first."""
    handle = activity.client().get_async_activity_handle(task_token=activity.info().task_token)
    try:
        await handle.heartbeat()
    except AsyncActivityCancelledError:
        return  # which its own heartbeat will tell it
    except RPCError as error:
        if error.status == RPCStatusCode.NOT_FOUND:
            raise Fenced("Temporal has given this attempt up, and others have been given its work") from error
        raise WorldError(f"Temporal cannot be asked: {error}"[:500]) from error


async def _heartbeat() -> None:
    """What is over within a second costs the server no heartbeat at all."""
    while True:
        await asyncio.sleep(HEARTBEAT_SECONDS)
        activity.heartbeat()


def to_application_error(error: Exception, failures: int) -> ApplicationError:
    """Domain errors by class; whatever nobody foresaw is retried a bounded number of times."""
    if isinstance(error, MemoryError) or (isinstance(error, OSError) and error.errno in SCARCE):
        error = OutOfSpace(f"This host has run out of something: {error}", "Free it; what waits for it then goes on.")
    if isinstance(error, WorldError | OutOfSpace):
        seconds = FULL_SECONDS if isinstance(error, OutOfSpace) else error.retry_after_seconds
        return ApplicationError(
            error.message,
            error.next_step,
            type=type(error).__name__,
            next_retry_delay=None if seconds is None else timedelta(seconds=seconds),
            category=ApplicationErrorCategory.BENIGN,
        )
    if isinstance(error, EffectInDoubt):
        told = (error.next_step, error.approval_id)
        return ApplicationError(error.message, *told, type=type(error).__name__, non_retryable=True)
    if isinstance(error, PerdureError):
        stops = isinstance(error, RunStopped | Fenced)
        return ApplicationError(
            error.message, error.next_step, type=type(error).__name__, non_retryable=stops or failures > 1
        )
    return ApplicationError(
        f"{type(error).__name__}: {error}"[:2000],
        "This is a defect of Perdure; the worker's log has the traceback.",
        type="Unexpected",
        non_retryable=failures >= UNEXPECTED_ATTEMPTS,
    )
