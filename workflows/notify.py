"""What a run tells others: a workflow of its own, so that nobody who does not listen holds a run up."""

from collections.abc import Awaitable, Callable
from typing import Any

from temporalio import workflow
from temporalio.exceptions import ActivityError

with workflow.unsafe.imports_passed_through():
    from activities.comment import CommentActivities, PostCommentInput
    from domain.comment import COMMENT
    from domain.event import EffectFailed
    from domain.value import Value
    from workflows.failures import failure_of
    from workflows.journal import record
    from workflows.options import TELL


class NotifyInput(Value):
    """`about` is "ended"."""

    run_id: str
    about: str
    comment_on: int | None = None


@workflow.defn
class NotifyWorkflow:
    @workflow.run
    async def run(self, input: NotifyInput) -> None:
        if input.comment_on is not None:
            target = f"#{input.comment_on}"
            given = PostCommentInput(run_id=input.run_id)
            await _try(input.run_id, CommentActivities.post_comment, given, COMMENT, f"effect/{COMMENT}", target)


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
    """Begins to tell, and does not wait for it."""
    await workflow.start_child_workflow(
        NotifyWorkflow.run,
        input,
        id=f"run/{input.run_id}/notify/{input.about}",
        parent_close_policy=workflow.ParentClosePolicy.ABANDON,
        static_summary=f"tell others: {input.about}"[:200],
    )
