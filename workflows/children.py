"""Runs that a run gives parts of its task to: started side by side, waited for at no cost, and never left alone."""

import asyncio
from collections.abc import Sequence
from typing import Any, Protocol

from temporalio import workflow
from temporalio.common import Priority, WorkflowIDReusePolicy
from temporalio.exceptions import ChildWorkflowError, FailureError, WorkflowAlreadyStartedError

with workflow.unsafe.imports_passed_through():
    from activities.children import ChildActivities, PlanChildInput, SubmitChildInput
    from activities.event import EndRunInput, EventActivities
    from domain.event import StatusChanged
    from domain.limits import Limits, Spent
    from domain.mailbox import PauseRun, ResumeRun, ShowChildren
    from domain.notify import Listener
    from domain.run import Pace, RunInput, RunResult
    from workflows.attributes import first_attributes, show_status
    from workflows.failures import failure_of
    from workflows.journal import record
    from workflows.options import CHILD_CANCELLATION, RECORD, TASK_TIMEOUT
    from workflows.workspace import Seat

Handle = workflow.ChildWorkflowHandle[Any, RunResult]


class Inherited(Protocol):
    @property
    def pace(self) -> Pace: ...

    @property
    def listeners(self) -> tuple[Listener, ...]: ...

    @property
    def signal_decisions(self) -> bool: ...


class Parent(Protocol):
    """A phase whose agent gives parts of its task away."""

    run_id: str
    turn: int
    seat: Seat
    limits: Limits
    paused: bool
    waited_seconds: float

    @property
    def given(self) -> Inherited: ...

    def spent_now(self) -> Spent: ...

    def stop_if_cancelled(self) -> None: ...


class Children:
    """Those of one series of calls. A refused call has none: its result stands in the journal already."""

    def __init__(self, parent: Parent) -> None:
        self._parent = parent
        self._working: list[Handle] = []
        self._permits = asyncio.Semaphore(max(1, parent.limits.children))
        self._told_to_pause = False
        self._seconds = 0.0
        """Of the one that took longest: its waits for people are not its parent's time."""

    async def work(self, calls: Sequence[str]) -> None:
        """Until all have ended; where the phase is cancelled, they are, too, and have ended then."""
        planned = [await self._plan(call) for call in calls]
        wanted = [child for child in planned if child is not None]
        if not wanted:
            return
        key = f"status/turn/{self._parent.turn}/children/{calls[0].rpartition('/')[2]}"
        names = ", ".join(f"run {child.run_id} ({child.agent}: {child.title})" for child in wanted)
        waiting = StatusChanged(status="waiting", waiting_for="child", reason=f"it waits for {names}"[:2000])
        await record(self._parent.run_id, (f"{key}/begun", waiting))
        await self._show(tuple(child.run_id for child in wanted))
        await self._until_ended([asyncio.create_task(self._work(child)) for child in wanted])
        await self._show(())
        if not self._parent.paused:
            await record(self._parent.run_id, (f"{key}/ended", StatusChanged(status="running")))

    async def _plan(self, call: str) -> RunInput | None:
        given, limits = self._parent.given, self._parent.limits
        left = None if limits.seconds is None else max(1, int(limits.seconds - self._parent.spent_now().seconds))
        planned = await workflow.execute_activity_method(
            ChildActivities.plan_child,
            PlanChildInput(
                run_id=self._parent.run_id,
                call=call,
                seconds=left,
                pace=given.pace,
                listeners=given.listeners,
                signal_decisions=given.signal_decisions,
            ),
            **RECORD,
            summary=f"give {call} to a run of its own",
        )
        return planned.child

    async def _until_ended(self, tasks: list[asyncio.Task[None]]) -> None:
        passing_on = asyncio.create_task(self._pass_on())
        try:
            waited = await self._parent.seat.wait_for_person(lambda: all(task.done() for task in tasks))
            self._parent.waited_seconds += max(0.0, waited - self._seconds)
        finally:
            passing_on.cancel()
            for task in tasks:
                task.cancel()
            await asyncio.wait(tasks)
        # A cancellation that meets children which end well all the same is swallowed with them.
        self._parent.stop_if_cancelled()
        for task in tasks:
            task.result()

    async def _pass_on(self) -> None:
        """A pause of the parent is one of its children."""
        while True:
            await workflow.wait_condition(lambda: self._parent.paused != self._told_to_pause)
            self._told_to_pause = self._parent.paused
            for child in list(self._working):
                await self._tell(child)

    async def _tell(self, child: Handle) -> None:
        by = f"run {self._parent.run_id}"
        try:
            if self._told_to_pause:
                await child.signal("pause", PauseRun(by=by))
            else:
                await child.signal("resume", ResumeRun(by=by))
        except FailureError as error:
            workflow.logger.info("a child was not told, as it has ended: %s", error)

    async def _work(self, child: RunInput) -> None:
        async with self._permits:
            await workflow.wait_condition(lambda: not self._parent.paused)
            try:
                handle = await _start(child)
            except WorkflowAlreadyStartedError:
                # By an execution that was reset: whoever takes its work over waits until it has ended.
                return
            self._working.append(handle)
            if self._told_to_pause:
                await self._tell(handle)
            try:
                self._seconds = max(self._seconds, (await handle).seconds)
            except ChildWorkflowError as error:
                self._parent.stop_if_cancelled()
                await _end(child, error)
            finally:
                self._working.remove(handle)

    async def _show(self, runs: tuple[str, ...]) -> None:
        show_status(*(("waiting", "child") if runs else ("running", None)))
        parent = workflow.info().parent
        assert parent is not None
        mailbox = workflow.get_external_workflow_handle(parent.workflow_id)
        await mailbox.signal("show_children", ShowChildren(runs=runs))


async def _start(child: RunInput) -> Handle:
    return await workflow.start_child_workflow(
        "RunWorkflow",
        child,
        id=f"run/{child.run_id}",
        result_type=RunResult,
        cancellation_type=CHILD_CANCELLATION,
        parent_close_policy=workflow.ParentClosePolicy.REQUEST_CANCEL,
        id_reuse_policy=WorkflowIDReusePolicy.REJECT_DUPLICATE,
        task_timeout=TASK_TIMEOUT,
        static_summary=child.title,
        search_attributes=first_attributes(child),
        priority=Priority(priority_key=child.priority, fairness_key=child.owner[:64] or None),
    )


async def _end(child: RunInput, error: ChildWorkflowError) -> None:
    """One that was ended from outside cannot say so itself."""
    await workflow.execute_activity_method(
        ChildActivities.submit_child, SubmitChildInput(child=child), **RECORD, summary="a child that ended early"
    )
    why = failure_of(error)
    summary = f"Its workflow was ended from outside: {why.message}"
    await workflow.execute_activity_method(
        EventActivities.end_run,
        EndRunInput(run_id=child.run_id, status="failed", summary=summary, next_step=why.next_step),
        **RECORD,
        summary="the child is failed",
    )
