"""A run, from task to branch."""

import asyncio

from temporalio import workflow
from temporalio.exceptions import ApplicationError, is_cancelled_exception

with workflow.unsafe.imports_passed_through():
    from activities.children import ChildActivities, SubmitChildInput
    from activities.event import EndRunInput, EventActivities
    from domain.event import RunStarted
    from domain.notes import Note
    from domain.notify import ENDED
    from domain.run import RunResult
    from workflows.attributes import show_status
    from workflows.calls import set_up
    from workflows.ending import Ending, by_parent, cancelled, ending_of
    from workflows.journal import record
    from workflows.notify import NotifyInput, notify
    from workflows.options import RECORD
    from workflows.phases import Phases
    from workflows.race import is_beaten, lost, take_place
    from workflows.renewal import RunGoesOn
    from workflows.workspace import Seat, give_back, open_workspace


@workflow.defn
class RunWorkflow(Phases):
    @workflow.init
    def __init__(self, input: RunGoesOn) -> None:
        super().__init__(input)

    @workflow.run
    async def run(self, _input: RunGoesOn) -> RunResult:
        attending = asyncio.create_task(self.attendance.attend())
        try:
            ending = await self._until_done_or_cancelled()
        finally:
            attending.cancel()
        self.closed = f"The run is {ending.status}."
        # One that was cancelled at once, too.
        await self._introduce()
        result = await workflow.execute_activity_method(
            EventActivities.end_run,
            EndRunInput(run_id=self.run_id, **ending.model_dump()),
            **RECORD,
            summary=f"the run is {ending.status}",
        )
        show_status(ending.status, None)
        workflow.set_current_details(f"**{ending.status}**\n\n{result.summary[:1000]}")
        if self.seat is not None and not self.seat.workspace.released:
            await give_back(self.run_id, self.seat.workspace)
        comments_on = None if is_beaten(self.given, ending) else self.given.comment_on
        # Of a child's end its parent tells.
        if (self.given.listeners and self.given.child is None) or comments_on is not None:
            told = NotifyInput(run_id=self.run_id, about=ENDED, listeners=self.given.listeners)
            await notify(told.model_copy(update={"comment_on": comments_on}))
        return result.model_copy(update={"seconds": round(self.spent.seconds, 3)})

    async def _introduce(self) -> None:
        """A child puts itself on record: none stands there that Temporal does not know."""
        if self.given.child is not None and not self.introduced:
            await workflow.execute_activity_method(
                ChildActivities.submit_child,
                SubmitChildInput(child=self.given),
                **RECORD,
                summary=f"child of {self.given.child.parent}",
            )
            self.introduced = True

    async def _until_done_or_cancelled(self) -> Ending:
        task = asyncio.create_task(self._from_task_to_branch())
        try:
            await workflow.wait_condition(lambda: task.done() or self.cancelled is not None)
            if not task.done():
                task.cancel()
            return await task
        except (Exception, asyncio.CancelledError) as error:
            if self.cancelled is not None or is_cancelled_exception(error):
                return await cancelled(task, self.cancelled or by_parent(self.given))
            return ending_of(error)

    async def _from_task_to_branch(self) -> Ending:
        if self.seat is None:
            await self._introduce()
            await record(self.run_id, ("started", RunStarted()))
            await take_place(self.given)
            if (ending := await lost(self.given)) is not None:
                return ending
            self.seat = await self._open()
        fork = self.given.fork
        if self.given.plan and not self.goes_on("work") and (fork is None or fork.phase == "plan"):
            await self.plan(self.seat)
        failed: tuple[Note, ...] = ()
        while self.failures < self.limits.verify_rounds:
            self.rounds += not self.goes_on("work")
            if self.rounds > 1 or not self.begins_after("work"):
                await self.work(self.seat, failed)
            passed = await self.verify(self.seat, self.rounds)
            await self.attendance.caught_up()
            if passed and not self.messages:
                return await lost(self.given, claims=True) or await self.publish(self.seat)
            failed = () if passed else (Note(kind="verify_failed", round=self.rounds),)
            self.failures += not passed
        raise ApplicationError(
            f"The verify commands still fail after {self.limits.verify_rounds} rounds.",
            "Their output stands in the run's events, and its diff is kept. Start a run with a clearer task or a "
            "higher limits.verify_rounds.",
            type="VerifyFailed",
            non_retryable=True,
        )

    async def _open(self) -> Seat:
        await self.enter("open")
        workspace = await open_workspace(self.run_id, self.given.agent)
        seat = self.seat = Seat(self.run_id, self.given.agent, workspace, "run", self.given.pace)
        if self.given.has_setup and self.given.fork is None:
            await set_up(seat)
        return seat
