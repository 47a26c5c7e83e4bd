"""A run's place to work: calls go to its host, and where the host is lost, to the next one."""

import asyncio
from collections.abc import Awaitable, Callable
from typing import Any, TypeVar

from temporalio import workflow
from temporalio.exceptions import ActivityError, ApplicationError, TimeoutError  # noqa: A004  Temporal's own

with workflow.unsafe.imports_passed_through():
    from activities.workspace import CloseWorkspaceInput, OpenWorkspaceInput, WorkspaceActivities
    from domain.event import StatusChanged
    from domain.workspace import WorkspaceRef
    from workflows.attributes import show_status
    from workflows.failures import host_is_lost
    from workflows.journal import record
    from workflows.options import CLOSE, HOST, OPEN, REOPENINGS, host_queue, reopening_pause

Result = TypeVar("Result")


class Seat:
    """`status_prefix` is unique to the workflow execution chain that sits here."""

    def __init__(self, run_id: str, agent: str, workspace: WorkspaceRef, status_prefix: str, moves: int = 0) -> None:
        self.workspace = workspace
        self.moves = moves
        self.run_id = run_id
        self.agent = agent
        self._prefix = status_prefix
        self._losses = 0
        """Moves since the last call that came to its end."""
        self._moving = asyncio.Lock()

    async def call(
        self,
        activity: Callable[[Any, Any], Awaitable[Result]],
        make_input: Callable[[WorkspaceRef], Any],
        summary: str,
    ) -> Result:
        """Runs an activity on the workspace's host, as often as it takes to find one that lives."""
        while True:
            asked = self.workspace
            try:
                result = await workflow.execute_activity_method(
                    activity,
                    make_input(asked),
                    **HOST | {"task_queue": host_queue(asked.host_id)},
                    summary=summary,
                )
            except ActivityError as error:
                if not host_is_lost(error):
                    raise
                async with self._moving:
                    # Calls side by side lose their host together; the first of them has moved for all.
                    if self.workspace == asked:
                        await self._move(error)
            else:
                self._losses = 0
                return result

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


async def give_back(run_id: str, workspace: WorkspaceRef) -> None:
    try:
        await workflow.execute_activity_method(
            WorkspaceActivities.close_workspace,
            CloseWorkspaceInput(run_id=run_id),
            **CLOSE | {"task_queue": host_queue(workspace.host_id)},
            summary="give the workspace back",
        )
    except ActivityError as error:
        workflow.logger.info("the workspace was not given back: %s", error)
