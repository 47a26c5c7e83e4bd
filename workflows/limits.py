"""A limit is used up: a person is asked, and what they say holds for the whole tree of runs."""

from typing import Any, Protocol

from temporalio import workflow
from temporalio.exceptions import FailureError

with workflow.unsafe.imports_passed_through():
    from datetime import datetime

    from activities.limits import LimitActivities, RaiseLimitsInput, WaitingBeside
    from domain.account import Refusal
    from domain.approval import ApprovalKind, DecideApproval
    from domain.limits import Limits
    from domain.mailbox import BY_ITSELF, LookAgain
    from workflows.options import RECORD_LOCAL


class Limited(Protocol):
    """The phase that was refused."""

    run_id: str
    turn: int
    limits: Limits
    refusals: int
    """How often the next turn was refused."""

    async def ask(
        self,
        kind: ApprovalKind,
        approval_id: str,
        subject: dict[str, Any] | None = None,
        reason: str = "",
        until: datetime | None = None,
    ) -> DecideApproval: ...


async def ask_for_more(phase: Limited, refusal: Refusal) -> str | None:
    """Waits for a word, or for what lets the run go on without one; says why the phase must stop, if it must."""
    phase.refusals += 1
    decision = await _asked(phase, refusal)
    if decision.decision == "reject":
        whose = f" of {refusal.team} in this month" if refusal.scope == "team" else ""
        return f"the limit of {refusal.limit}{whose} is used up"
    if decision.by != BY_ITSELF:
        result = await workflow.execute_local_activity_method(
            LimitActivities.raise_limits,
            RaiseLimitsInput(run_id=phase.run_id, refusal=refusal, limits=phase.limits, decision=decision),
            **RECORD_LOCAL,
        )
        phase.limits = result.limits
        for other in result.beside:
            await _wake(other)
    return None


async def _asked(phase: Limited, refusal: Refusal) -> DecideApproval:
    """A word answers one question: where it did not raise the limit far enough, the next is another one."""
    place = f"{phase.turn}/{refusal.limit}" if phase.refusals == 1 else f"{phase.turn}/{refusal.limit}/{phase.refusals}"
    if refusal.scope == "team":
        reason = f"Team {refusal.team} has used up its {refusal.limit} of this month, which ends {refusal.until:%F} UTC"
        subject = refusal.model_dump(mode="json")
        return await phase.ask("team_limit", f"team_limit/{place}", subject, reason, refusal.until)
    limits = phase.limits.model_copy(update=refusal.bounds.model_dump() if refusal.limit != "seconds" else {})
    subject = {
        "limit": refusal.limit,
        "limits": limits.model_dump(mode="json"),
        "spent": refusal.spent.model_dump(mode="json"),
    }
    return await phase.ask("limit", f"limit/{place}", subject, refusal.limit)


async def _wake(other: WaitingBeside) -> None:
    word = LookAgain(approval_id=other.approval_id, reason="The limit was raised for all runs of the same tree.")
    try:
        await workflow.get_external_workflow_handle(f"run/{other.run_id}").signal("look_again", word)
    except FailureError as error:
        # It has ended in the meantime.
        workflow.logger.info("run %s does not look again: %s", other.run_id, error)
