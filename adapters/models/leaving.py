"""The last moment at which a request leaves: looked at when its connection is there, before its first byte."""

import math
import time
from collections.abc import Generator, Mapping
from contextlib import contextmanager
from contextvars import ContextVar
from typing import TYPE_CHECKING

from domain.errors import NotSent

if TYPE_CHECKING:
    import httpx2

_LEAVES_BY: ContextVar[float] = ContextVar("leaves_by", default=math.inf)


@contextmanager
def leaving_by(at: float) -> Generator[None]:
    """Requests that this task makes meanwhile, by a client with `hurry` among its hooks, leave by `at`, a time of the
    monotonic clock, or raise NotSent."""
    token = _LEAVES_BY.set(at)
    try:
        yield
    finally:
        _LEAVES_BY.reset(token)


async def hurry(request: "httpx2.Request") -> None:
    at = _LEAVES_BY.get()

    async def look(step: str, _told: Mapping[str, object]) -> None:
        if step.endswith("send_request_headers.started") and time.monotonic() > at:
            raise NotSent("The request was not sent: too long a time had passed since it was decided on.")

    if math.isfinite(at):
        request.extensions["trace"] = look


def not_sent(error: BaseException) -> NotSent | None:
    """What an SDK has made something else of."""
    found: BaseException | None = error
    while found is not None and not isinstance(found, NotSent):
        found = found.__cause__
    return found
