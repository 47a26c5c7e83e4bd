"""A run's place to work: calls go to its host, and where the host is lost, to the next one."""

import asyncio
from collections.abc import Awaitable, Callable
from typing import Any, TypeVar

from temporalio import workflow
from temporalio.exceptions import ActivityError, ApplicationError, TimeoutError  # noqa: A004  Temporal's own

with workflow.unsafe.imports_passed_through():
    from activities.workspace import CloseWorkspaceInput, OpenWorkspaceInput, WorkspaceActivities
    from domain.event import StatusChanged
    from domain.run import Pace
    from domain.workspace import WorkspaceRef
    from workflows.attributes import show_status
    from workflows.failures import host_is_lost
    from workflows.journal import record
    from workflows.options import CLOSE, HOST, OPEN, REOPENINGS, giving_back_pauses, host_queue, reopening_pause
    from workflows.patience import met_within

Result = TypeVar("Result")


class Seat:
    """`status_prefix` is unique to the workflow execution chain that sits here."""

    def __init__(
        self, run_id: str, agent: str, workspace: WorkspaceRef, status_prefix: str, pace: Pace, moves: int = 0
    ) -> None:
        self.workspace = workspace
        self.moves = moves
        self.run_id = run_id
        self.agent = agent
        self._prefix = status_prefix
        self._losses = 0
        """Moves since the last call that came to its end."""
        self._pace = pace
        self._opening = asyncio.Lock()

    async def call(
        self,
        activity: Callable[[Any, Any], Awaitable[Result]],
        make_input: Callable[[WorkspaceRef], Any],
        summary: str,
    ) -> Result:
        """Runs an activity on the workspace's host, as often as it takes to find one that lives."""
        while True:
            at = await self._open()
            try:
                result = await workflow.execute_activity_method(
                    activity, make_input(at), **HOST | {"task_queue": host_queue(at.host_id)}, summary=summary
                )
            except ActivityError as error:
                if not host_is_lost(error):
                    raise
                async with self._opening:
                    # Calls side by side lose their host together; the first of them has moved for all.
                    if self.workspace == at:
                        await self._move(error)
            else:
                self._losses = 0
                return result

    async def wait_for_person(self, met: Callable[[], bool]) -> float:
        """Waits for as long as it takes, and holds nothing while it takes long; the seconds that it took."""
        if met():
            return 0.0
        began = workflow.now()
        if not await met_within(self._pace.release_after_seconds, met):
            await self._release(met)
            await workflow.wait_condition(met)
        return (workflow.now() - began).total_seconds()

    async def _release(self, met: Callable[[], bool]) -> None:
        """A host that is too busy to take the workspace back, or away for a while, is asked again, ever more seldom."""
        held: WorkspaceRef | None = None
        for pause in giving_back_pauses(self._pace.release_after_seconds):
            async with self._opening:
                held = held or self.workspace
                if held.released or held.generation != self.workspace.generation:
                    return
                given = await give_back(self.run_id, held, held.generation)
                # Even where it was not: whoever goes on does not ask a host first that may be gone.
                self.workspace = held.model_copy(update={"released": True})
            # Not all at once who were turned away together.
            if given or await met_within(pause * workflow.random().uniform(1, 2), met):
                return

    async def _open(self) -> WorkspaceRef:
        async with self._opening:
            if self.workspace.released:
                self.workspace = await open_workspace(self.run_id, self.agent)
            return self.workspace

    async def _move(self, error: ActivityError) -> None:
        """Opens the workspace again; pauses first where that has just not helped, and says so."""
        if self._losses == REOPENINGS:
            raise ApplicationError(
                f"The workspace lost its host {REOPENINGS} times in a row.",
                "Look at the workers' logs; `perdure doctor` says what is wrong on a host.",
                type="HostLost",
                non_retryable=True,
            )
        self.moves += 1
        self._losses += 1
        pause = reopening_pause(self._losses)
        key = f"status/{self._prefix}/host/{self.moves}"
        waiting = StatusChanged(status="waiting", waiting_for="host", reason=self._reason(error, pause.total_seconds()))
        await record(self.run_id, (f"{key}/lost", waiting))
        show_status("waiting", "host")
        if pause:
            await workflow.sleep(pause, summary=f"host lost {self._losses} times in a row")
        self.workspace = await open_workspace(self.run_id, self.agent)
        await record(self.run_id, (f"{key}/found", StatusChanged(status="running")))
        show_status("running", None)

    def _reason(self, error: ActivityError, pause_seconds: float) -> str:
        host, lost = self.workspace.host_id, isinstance(error.cause, TimeoutError)
        why = f"host {host} does not answer" if lost else f"host {host} no longer holds the workspace"
        if not pause_seconds:
            return f"{why}; the workspace is opened again from its snapshot"
        again = f"{pause_seconds:g} s, after {self._losses} losses in a row"
        return f"{why}; the workspace is opened again from its snapshot in {again}"


async def open_workspace(run_id: str, agent: str) -> WorkspaceRef:
    return await workflow.execute_activity_method(
        WorkspaceActivities.open_workspace,
        OpenWorkspaceInput(run_id=run_id, agent=agent),
        **OPEN,
        summary="open the workspace",
    )


async def give_back(run_id: str, workspace: WorkspaceRef, generation: int | None = None) -> bool:
    """All that the host holds of the run, or no more than a generation that may have been followed by another.
    False where the host did not take it."""
    try:
        await workflow.execute_activity_method(
            WorkspaceActivities.close_workspace,
            CloseWorkspaceInput(run_id=run_id, generation=generation),
            **CLOSE | {"task_queue": host_queue(workspace.host_id)},
            summary="give the workspace back",
        )
    except ActivityError as error:
        workflow.logger.info("the workspace was not given back: %s", error)
        return False
    return True
