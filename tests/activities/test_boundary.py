"""What Temporal is told of a failure."""

import errno
from datetime import timedelta

import pytest

from activities.boundary import FULL_SECONDS, UNEXPECTED_ATTEMPTS, to_application_error
from domain.errors import Fenced, NotFound, OutOfSpace, ProviderRefused, ProviderUnavailable, StorageUnavailable


@pytest.mark.parametrize(
    "error", [OutOfSpace("The database has no space left"), OSError(errno.ENOSPC, "full"), MemoryError()]
)
def test_a_full_disk_or_memory_is_waited_for(error: Exception) -> None:
    told = to_application_error(error, failures=1000)
    assert not told.non_retryable
    assert told.next_retry_delay == timedelta(seconds=FULL_SECONDS)


def test_what_the_world_does_is_tried_again_when_it_says() -> None:
    told = to_application_error(ProviderUnavailable("busy", retry_after_seconds=4), failures=1000)
    assert (told.non_retryable, told.next_retry_delay) == (False, timedelta(seconds=4))
    assert to_application_error(StorageUnavailable("down"), failures=1000).next_retry_delay is None


@pytest.mark.parametrize("error", [ProviderRefused("wrong key", "Check it."), Fenced("a newer one")])
def test_what_cannot_get_better_is_not_tried_again(error: Exception) -> None:
    assert to_application_error(error, failures=1).non_retryable


@pytest.mark.parametrize(("error", "last"), [(NotFound("no run"), 2), (KeyError("?"), UNEXPECTED_ATTEMPTS)])
def test_what_nobody_foresaw_is_tried_a_few_times(error: Exception, last: int) -> None:
    assert not to_application_error(error, failures=last - 1).non_retryable
    assert to_application_error(error, failures=last).non_retryable
