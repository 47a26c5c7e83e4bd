"""A run's place to work: calls go to its host, and where the host is lost, to the next one."""

from collections.abc import Awaitable, Callable
from typing import Any, TypeVar

from temporalio import workflow
from temporalio.exceptions import ActivityError, ApplicationError

with workflow.unsafe.imports_passed_through():
    from activities.workspace import CloseWorkspaceInput, OpenWorkspaceInput, WorkspaceActivities
    from domain.event import StatusChanged
    from domain.workspace import WorkspaceRef
    from workflows.attributes import show_status
    from workflows.failures import host_is_lost
    from workflows.journal import record
    from workflows.options import CLOSE, HOST, OPEN, REOPENINGS, host_queue

Result = TypeVar("Result")


class Seat:
    """`status_prefix` is unique to the workflow execution chain that sits here."""

    def __init__(self, run_id: str, agent: str, workspace: WorkspaceRef, status_prefix: str, moves: int = 0) -> None:
        self.workspace = workspace
        self.moves = moves
        self.run_id = run_id
        self.agent = agent
        self._prefix = status_prefix

    async def call(
        self,
        activity: Callable[[Any, Any], Awaitable[Result]],
        make_input: Callable[[WorkspaceRef], Any],
        summary: str,
    ) -> Result:
        """Runs an activity on the workspace's host, as often as it takes to find one that lives."""
        for _ in range(REOPENINGS):
            try:
                return await workflow.execute_activity_method(
                    activity,
                    make_input(self.workspace),
                    **HOST | {"task_queue": host_queue(self.workspace.host_id)},
                    summary=summary,
                )
            except ActivityError as error:
                if not host_is_lost(error):
                    raise
                await self._move()
        raise ApplicationError(
            f"The workspace lost its host {REOPENINGS} times in a row.",
            "Look at the workers' logs; `perdure doctor` says what is wrong on a host.",
            type="HostLost",
            non_retryable=True,
        )

    async def _move(self) -> None:
        self.moves += 1
        key = f"status/{self._prefix}/host/{self.moves}"
        reason = f"host {self.workspace.host_id} does not answer; the workspace is opened again from its snapshot"
        waiting = StatusChanged(status="waiting", waiting_for="host", reason=reason)
        await record(self.run_id, (f"{key}/lost", waiting))
        show_status("waiting", "host")
        self.workspace = await open_workspace(self.run_id, self.agent)
        await record(self.run_id, (f"{key}/found", StatusChanged(status="running")))
        show_status("running", None)


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
