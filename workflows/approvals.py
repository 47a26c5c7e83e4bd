"""A person's words inside a phase: what the run's mailbox forwards, and how a phase asks."""

import asyncio
from collections.abc import Awaitable, Callable
from datetime import datetime, timedelta
from itertools import count
from typing import Any

from temporalio import workflow

with workflow.unsafe.imports_passed_through():
    from activities.approval import WAITING, ApprovalActivities, RequestApprovalInput, SettleApprovalInput
    from domain.approval import ApprovalKind, DecideApproval, asked_again
    from domain.mailbox import LookAgain, PauseRun, ResumeRun, SendMessage
    from domain.value import Value
    from workflows.attributes import show_status
    from workflows.options import RECORD
    from workflows.workspace import Seat


class PendingApproval(Value):
    """What a phase tells the mailbox before it asks."""

    approval_id: str
    kind: ApprovalKind


class Attended:
    """Base of phases that people talk to through `run/<id>`. Handlers append to the state and do not await."""

    run_id: str
    seat: Seat

    def __init__(self) -> None:
        self.paused = False
        self.messages: list[SendMessage] = []
        self.decisions: dict[str, DecideApproval] = {}
        self.waited_seconds = 0.0
        """Spent on people, since this execution began."""

    @workflow.signal(name="pause")
    def take_pause(self, _input: PauseRun) -> None:
        self.paused = True

    @workflow.signal(name="resume")
    def take_resume(self, _input: ResumeRun) -> None:
        self.paused = False

    @workflow.signal(name="send_message")
    def take_message(self, input: SendMessage) -> None:
        if all(one.message_id != input.message_id for one in self.messages):
            self.messages.append(input)

    @workflow.signal(name="decide_approval")
    def take_decision(self, input: DecideApproval) -> None:
        self.decisions.setdefault(input.approval_id, input)

    def stop_if_cancelled(self) -> None:
        """A cancellation that meets an activity which ends well all the same is swallowed with it: ask for it."""
        if workflow.cancellation_reason() is not None:
            raise asyncio.CancelledError

    async def while_paused(self, unless: Callable[[], bool] = lambda: False) -> None:
        self.stop_if_cancelled()
        if self.paused:
            self.waited_seconds += await self.seat.wait_for_person(lambda: not self.paused or unless())

    async def ask(
        self,
        kind: ApprovalKind,
        approval_id: str,
        subject: dict[str, Any] | None = None,
        reason: str = "",
        until: datetime | None = None,
    ) -> DecideApproval:
        """Waits, at no cost, for as long as it takes, or until the run itself may look again."""
        parent = workflow.info().parent
        assert parent is not None
        mailbox = workflow.get_external_workflow_handle(parent.workflow_id)

        async def ask_once(approval_id: str, again: str) -> DecideApproval:
            # First the mailbox: nobody who has seen the card may be told that there is none.
            await mailbox.signal("await_decision", PendingApproval(approval_id=approval_id, kind=kind))
            await announce(self.run_id, kind, approval_id, subject or {}, reason, again, until)
            show_status("waiting", WAITING[kind])
            timer = asyncio.create_task(_look_again(mailbox, approval_id, until)) if until else None
            try:
                self.waited_seconds += await self.seat.wait_for_person(lambda: approval_id in self.decisions)
            finally:
                if timer is not None:
                    timer.cancel()
            show_status("running", None)
            return self.decisions.pop(approval_id)

        return await until_it_holds(self.run_id, approval_id, ask_once)


async def until_it_holds(
    run_id: str, approval_id: str, ask_once: Callable[[str, str], Awaitable[DecideApproval]]
) -> DecideApproval:
    """A word that holds in the world as it is when it comes: a yes to another world is asked for again."""
    decision = await ask_once(approval_id, "")
    for number in count(2):
        again = await settle(run_id, decision)
        if not again:
            break
        decision = await ask_once(asked_again(approval_id, number), again)
    return decision


async def announce(
    run_id: str,
    kind: ApprovalKind,
    approval_id: str,
    subject: dict[str, Any],
    reason: str = "",
    again: str = "",
    until: datetime | None = None,
) -> None:
    """Records the card, and that the run waits for it."""
    await workflow.execute_activity_method(
        ApprovalActivities.request_approval,
        RequestApprovalInput(
            run_id=run_id,
            approval_id=approval_id,
            kind=kind,
            status_key=f"status/approval/{approval_id}/asked",
            subject=subject,
            reason=reason,
            again=again,
            until=until,
        ),
        **RECORD,
        summary=f"ask a person: {kind}",
    )


async def _look_again(mailbox: workflow.ExternalWorkflowHandle[Any], approval_id: str, until: datetime) -> None:
    """By way of the mailbox, so that a person's word at the same moment and this one are not both taken."""
    # Not all who wait for the same moment at once.
    late = timedelta(seconds=workflow.random().uniform(1, 60))
    await workflow.sleep(max(until - workflow.now(), timedelta()) + late, summary="what it waits for ends by itself")
    await mailbox.signal("look_again", LookAgain(approval_id=approval_id, reason=f"It waited until {until:%F %R} UTC."))


async def settle(run_id: str, decision: DecideApproval) -> str:
    """Records the decision; why it does not hold any more, or nothing where it does and the run goes on."""
    settled = await workflow.execute_activity_method(
        ApprovalActivities.settle_approval,
        SettleApprovalInput(run_id=run_id, decision=decision),
        **RECORD,
        summary=f"a person's word: {decision.decision}",
    )
    return settled.again
