"""Effects that nobody knows of whether they were made: a person says so, and the run goes on."""

from collections.abc import Awaitable, Callable
from typing import Protocol, TypeVar

from temporalio import workflow
from temporalio.exceptions import ActivityError

with workflow.unsafe.imports_passed_through():
    from domain.approval import ApprovalKind, DecideApproval
    from workflows.failures import doubt_of

Result = TypeVar("Result")


class Asking(Protocol):
    async def ask(self, kind: ApprovalKind, approval_id: str) -> DecideApproval: ...


async def beyond_doubt(phase: Asking, make: Callable[[], Awaitable[Result]]) -> Result:
    """Runs an activity that makes an effect; the person's word stands in the journal, where the next try reads it."""
    while True:
        try:
            return await make()
        except ActivityError as error:
            if (approval_id := doubt_of(error)) is None:
                raise
        await phase.ask("effect", approval_id)
