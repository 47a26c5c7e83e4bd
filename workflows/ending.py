"""How a run ends."""

import asyncio
from typing import Any, Literal

from temporalio import workflow

with workflow.unsafe.imports_passed_through():
    from domain.mailbox import CancelRun
    from domain.run import RunInput
    from domain.value import Value
    from workflows.failures import failure_of


class Ending(Value):
    """`summary` is empty where the agent's own last words say it."""

    status: Literal["completed", "failed", "cancelled"]
    summary: str = ""
    next_step: str = ""
    pushed: bool = False
    verified: bool | None = None
    by: str = ""


def ending_of(error: BaseException) -> Ending:
    failure = failure_of(error)
    return Ending(status="failed", summary=failure.message, next_step=failure.next_step)


async def cancelled(task: asyncio.Task[Any], asked: CancelRun | None) -> Ending:
    """After what was running has died."""
    task.cancel()
    await asyncio.wait([task])
    by = asked.by if asked else "temporal (unverified)"
    reason = f" {asked.reason}" if asked and asked.reason else ""
    return Ending(status="cancelled", summary=f"Cancelled by {by}.{reason}", by=by)


def by_parent(run: RunInput) -> CancelRun | None:
    """Who cancelled a child where nobody said so."""
    return CancelRun(by=f"run {run.child.parent}", reason="It goes no further than its parent.") if run.child else None
