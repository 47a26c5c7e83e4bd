"""The phases of a run: each is a child workflow that takes over what the run knows and gives back what it found out."""

import asyncio
from collections.abc import Awaitable, Callable
from typing import Any, TypeVar

from temporalio import workflow
from temporalio.exceptions import ApplicationError

with workflow.unsafe.imports_passed_through():
    from domain.approval import ApprovalKind, DecideApproval, Plan
    from domain.event import PlanAccepted
    from domain.mailbox import SendMessage
    from domain.notes import Note
    from domain.run import Phase
    from workflows.agent import AgentResult, AgentState, AgentWorkflow
    from workflows.approvals import announce, until_it_holds
    from workflows.ending import Ending
    from workflows.journal import record
    from workflows.options import CHILD_CANCELLATION, TASK_TIMEOUT
    from workflows.publish import PublishInput, PublishWorkflow
    from workflows.renewal import weight
    from workflows.standing import Standing
    from workflows.verify import VerifyInput, VerifyWorkflow
    from workflows.workspace import Seat

Given = TypeVar("Given")
Result = TypeVar("Result")

PLANNING_ROUNDS = 5


class Phases(Standing):
    """What goes from phase to phase: turn, limits, what was spent, and messages that no phase has read yet."""

    async def plan(self, seat: Seat) -> None:
        """Plans until a person agrees, where one is asked; a rejection without a reason ends the run."""
        while self.plans < PLANNING_ROUNDS or self.goes_on("plan"):
            if not self.goes_on("plan"):
                self.plans += 1
                await self.enter("plan")
            if self.plans > 1 or not self.begins_after("plan"):
                await self._agent(seat, "plan", f"plan/{self.plans}", self.given.planner)
            approval_id = f"plan/{self.turn}"
            if not self.given.plan_approval:
                return
            decision = await self._ask(seat, "plan", approval_id)
            if decision.decision == "approve":
                if decision.edited is not None:
                    accepted = PlanAccepted(plan=Plan.model_validate(decision.edited), by=decision.by)
                    await record(self.run_id, (f"{approval_id}/accepted", accepted))
                return
            if not decision.reason:
                break
            said = f"The plan was rejected. Make another one. The reason given: {decision.reason}"
            self.messages.append(SendMessage(message_id=f"{approval_id}/rejected", text=said, by=decision.by))
        raise ApplicationError(
            "No plan was approved.",
            "Start a run with a clearer task, or reject a plan with a reason: the planner then tries again.",
            type="PlanRejected",
            non_retryable=True,
        )

    async def work(self, seat: Seat, notes: tuple[Note, ...]) -> None:
        if not self.goes_on("work"):
            await self.enter("work")
        while True:
            self.works += not self.goes_on("work")
            await self._agent(seat, "work", f"work/{self.works}", self.given.agent, notes)
            notes = ()
            if not self.messages:
                return

    async def _agent(
        self, seat: Seat, phase: Phase, name: str, agent: str, notes: tuple[Note, ...] = ()
    ) -> AgentResult:
        state, self.set_aside = self.set_aside or self._agent_state(seat, phase, agent, notes), None
        while True:
            await self.continue_as_new_in_time(state)
            messages, self.messages = tuple(self.messages), []
            state = state.model_copy(update={"messages": messages, "paused": self.paused})
            result = await self._child(AgentWorkflow.run, state, name, f"{phase} as {agent}")
            self.turn, self.limits, self.spent = result.turn, result.limits, result.spent
            self.messages = [*result.messages, *self.messages]
            self.bytes_told = sum(map(weight, self.messages))
            seat.workspace = result.workspace
            if result.state is None:
                break
            state = result.state
        if result.outcome == "stopped":
            raise ApplicationError(
                f"A person stopped the run: {result.reason}.",
                "What was done so far is kept: see the run's diff.",
                type="Stopped",
                non_retryable=True,
            )
        return result

    def _agent_state(self, seat: Seat, phase: Phase, agent: str, notes: tuple[Note, ...]) -> AgentState:
        return AgentState(
            run_id=self.run_id,
            phase=phase,
            agent=agent,
            model=self.given.model,
            workspace=seat.workspace,
            turn=self.turn,
            limits=self.limits,
            spent=self.spent,
            notes=notes,
            moves=seat.moves,
            pace=self.given.pace,
            listeners=self.given.listeners,
            signal_decisions=self.given.signal_decisions,
        )

    async def verify(self, seat: Seat, round_number: int) -> bool:
        if not self.given.verify_commands:
            return True
        await self.enter("verify")
        given = VerifyInput(
            run_id=self.run_id,
            agent=self.given.agent,
            round=round_number,
            commands=self.given.verify_commands,
            workspace=seat.workspace,
            paused=self.paused,
            pace=self.given.pace,
        )
        result = await self._child(VerifyWorkflow.run, given, f"verify/{round_number}", "verify")
        seat.workspace = result.workspace
        return result.passed

    async def publish(self, seat: Seat) -> Ending:
        self.deaf = "The run is publishing its work, and its agent reads no more."
        verified = True if self.given.verify_commands else None
        if not self.given.has_repository or self.given.child is not None:
            return Ending(status="completed", verified=verified)
        await self.enter("publish")
        given = PublishInput(
            run_id=self.run_id,
            agent=self.given.agent,
            workspace=seat.workspace,
            approval=self.given.publish_approval,
            push=self.given.publish != "none",
            pull_request=self.given.publish == "pull_request",
            paused=self.paused,
            pace=self.given.pace,
        )
        result = await self._child(PublishWorkflow.run, given, "publish/1", "publish")
        seat.workspace = result.workspace
        if result.rejected is not None:
            summary = f"A person refused to publish the work. {result.rejected}".strip()
            return Ending(status="completed", summary=summary, verified=verified)
        return Ending(status="completed", pushed=result.pushed, verified=verified)

    async def _child(
        self, method: Callable[[Any, Given], Awaitable[Result]], given: Given, name: str, summary: str
    ) -> Result:
        paused = self.paused
        handle = await workflow.start_child_workflow(
            method,
            given,
            id=f"run/{self.run_id}/{name}",
            cancellation_type=CHILD_CANCELLATION,
            task_timeout=TASK_TIMEOUT,
            static_summary=f"{summary}: {self.given.title}"[:200],
        )
        await self.attendance.accompany(handle, method is AgentWorkflow.run, paused)
        try:
            return await handle
        finally:
            self.attendance.child = None

    async def _ask(self, seat: Seat, kind: ApprovalKind, approval_id: str) -> DecideApproval:
        async def ask_once(approval_id: str, again: str) -> DecideApproval:
            self.pending[approval_id] = kind
            await announce(self.run_id, kind, approval_id, {}, again=again)
            self.attendance.show()
            await self.attendance.tell_of_wait(approval_id)
            await seat.wait_for_person(lambda: approval_id in self.decided)
            self.attendance.show()
            return self.decided[approval_id]

        return await until_it_holds(self.run_id, approval_id, ask_once)

    async def enter(self, phase: Phase) -> None:
        if self.cancelled is not None:
            raise asyncio.CancelledError
        if self.seat is None:
            await workflow.wait_condition(lambda: not self.paused)
        else:
            await self.seat.wait_for_person(lambda: not self.paused)
        await self.attendance.enter(phase)
