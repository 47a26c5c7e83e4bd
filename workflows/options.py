"""Every timeout and retry policy of Perdure, in one place."""

from datetime import timedelta
from typing import TypedDict

from temporalio.common import RetryPolicy
from temporalio.workflow import ActivityCancellationType, ChildWorkflowCancellationType

FAST_RETRY = RetryPolicy(
    initial_interval=timedelta(milliseconds=100), backoff_coefficient=2.0, maximum_interval=timedelta(seconds=5)
)
PATIENT_RETRY = RetryPolicy(
    initial_interval=timedelta(milliseconds=250), backoff_coefficient=2.0, maximum_interval=timedelta(minutes=1)
)
TELL_RETRY = RetryPolicy(
    initial_interval=timedelta(seconds=1),
    backoff_coefficient=3.0,
    maximum_interval=timedelta(hours=1),
    maximum_attempts=12,
)


class ActivityOptions(TypedDict, total=False):
    task_queue: str
    schedule_to_close_timeout: timedelta
    schedule_to_start_timeout: timedelta
    start_to_close_timeout: timedelta
    heartbeat_timeout: timedelta
    retry_policy: RetryPolicy
    cancellation_type: ActivityCancellationType


class LocalOptions(TypedDict):
    schedule_to_close_timeout: timedelta
    start_to_close_timeout: timedelta
    retry_policy: RetryPolicy


MODEL = ActivityOptions(
    # A provider's outage is weather: the run waits it out, visibly; a quota that is used up may take a weekend.
    schedule_to_close_timeout=timedelta(days=30),
    start_to_close_timeout=timedelta(minutes=20),
    heartbeat_timeout=timedelta(seconds=5),
    retry_policy=PATIENT_RETRY,
    cancellation_type=ActivityCancellationType.WAIT_CANCELLATION_COMPLETED,
)
HOST = ActivityOptions(
    # Host queues are never full, so a call that nobody takes in ten seconds has no host any more.
    schedule_to_start_timeout=timedelta(seconds=10),
    schedule_to_close_timeout=timedelta(days=1),
    start_to_close_timeout=timedelta(hours=3),
    heartbeat_timeout=timedelta(seconds=5),
    retry_policy=FAST_RETRY,
    cancellation_type=ActivityCancellationType.WAIT_CANCELLATION_COMPLETED,
)
OPEN = ActivityOptions(
    schedule_to_close_timeout=timedelta(days=1),
    start_to_close_timeout=timedelta(minutes=30),
    heartbeat_timeout=timedelta(seconds=5),
    retry_policy=PATIENT_RETRY,
    cancellation_type=ActivityCancellationType.WAIT_CANCELLATION_COMPLETED,
)
REMOTE = ActivityOptions(
    schedule_to_close_timeout=timedelta(days=1),
    start_to_close_timeout=timedelta(minutes=15),
    heartbeat_timeout=timedelta(seconds=5),
    retry_policy=PATIENT_RETRY,
)
TELL = ActivityOptions(
    # Nobody waits for it; whoever cannot be reached for so long is not told.
    schedule_to_close_timeout=timedelta(hours=6),
    start_to_close_timeout=timedelta(minutes=2),
    heartbeat_timeout=timedelta(seconds=5),
    retry_policy=TELL_RETRY,
)
RECORD = ActivityOptions(
    schedule_to_close_timeout=timedelta(days=7),
    start_to_close_timeout=timedelta(seconds=30),
    heartbeat_timeout=timedelta(seconds=5),
    retry_policy=FAST_RETRY,
)
CLOSE = ActivityOptions(
    # Tidying up: where the host is gone there is nothing to tidy.
    schedule_to_start_timeout=timedelta(seconds=10),
    schedule_to_close_timeout=timedelta(seconds=60),
    start_to_close_timeout=timedelta(seconds=50),
    heartbeat_timeout=timedelta(seconds=5),
    retry_policy=FAST_RETRY,
)
RECORD_LOCAL = LocalOptions(
    schedule_to_close_timeout=timedelta(days=7),
    start_to_close_timeout=timedelta(seconds=10),
    retry_policy=FAST_RETRY,
)
CHILD_CANCELLATION = ChildWorkflowCancellationType.WAIT_CANCELLATION_COMPLETED

REOPENINGS = 100
"""How often in a row a run may lose its host before it stops: with the pauses between, more than an hour and a half."""


def reopening_pause(losses: int) -> timedelta:
    """Before the workspace is opened again after so many losses in a row: nothing, then 1 s, 2 s ... 1 minute."""
    return timedelta(seconds=0 if losses == 1 else min(2 ** min(losses - 2, 6), 60))


def giving_back_pauses(first: float) -> list[float]:
    """Seconds after each time that a host did not take a workspace back: twice as long each time, an hour at most."""
    return [min(first * 2**number, 3600.0) for number in range(12)]


TASK_TIMEOUT = timedelta(seconds=3)
"""For a decision, which whoever holds it may die with. After three that took longer Temporal gives it more and more."""


def host_queue(host_id: str) -> str:
    return f"host/{host_id}"
