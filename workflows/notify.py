"""What a run tells others: a workflow of its own, so that nobody who does not listen holds a run up."""

import asyncio
import contextlib
from collections.abc import Awaitable, Callable
from typing import Any

from temporalio import workflow
from temporalio.exceptions import ActivityError, WorkflowAlreadyStartedError

with workflow.unsafe.imports_passed_through():
    from activities.comment import CommentActivities, PostCommentInput
    from activities.notify import DeliverInput, NotifyActivities, delivery_key
    from domain.comment import COMMENT
    from domain.event import EffectFailed
    from domain.notify import NOTIFY, Listener
    from domain.value import Value
    from workflows.failures import failure_of
    from workflows.journal import record
    from workflows.options import TELL


class NotifyInput(Value):
    """`about` is "ended", or the id of an approval that waits."""

    run_id: str
    about: str
    listeners: tuple[Listener, ...] = ()
    comment_on: int | None = None


@workflow.defn
class NotifyWorkflow:
    @workflow.run
    async def run(self, input: NotifyInput) -> None:
        telling = [self._deliver(input, listener) for listener in input.listeners]
        if input.comment_on is not None:
            telling.append(self._comment(input.run_id, f"#{input.comment_on}"))
        await asyncio.gather(*telling)

    async def _deliver(self, input: NotifyInput, listener: Listener) -> None:
        given = DeliverInput(run_id=input.run_id, about=input.about, listener=listener)
        key = delivery_key(input.about, listener)
        await _try(input.run_id, NotifyActivities.deliver, given, NOTIFY, key, f"{listener} of {input.about}")

    async def _comment(self, run_id: str, target: str) -> None:
        given = PostCommentInput(run_id=run_id)
        await _try(run_id, CommentActivities.post_comment, given, COMMENT, f"effect/{COMMENT}", target)


async def _try(
    run_id: str, method: Callable[[Any, Any], Awaitable[None]], given: Value, kind: str, key: str, target: str
) -> None:
    """As often and as long as the options say; that it came to nothing is recorded, and fails nothing."""
    try:
        await workflow.execute_activity_method(method, given, **TELL, summary=f"{kind} to {target}"[:80])
    except ActivityError as error:
        why = failure_of(error)
        reason = f"Given up. {why.message} {why.next_step}".strip()[:2000]
        failed = EffectFailed(effect=kind, target=target, key=key, attempt=0, reason=reason)
        await record(run_id, (f"{key}/given_up", failed))


async def notify(input: NotifyInput) -> None:
    """Begins to tell, once, and does not wait for it."""
    with contextlib.suppress(WorkflowAlreadyStartedError):
        await workflow.start_child_workflow(
            NotifyWorkflow.run,
            input,
            id=f"run/{input.run_id}/notify/{input.about}",
            parent_close_policy=workflow.ParentClosePolicy.ABANDON,
            static_summary=f"tell others: {input.about}"[:200],
        )
