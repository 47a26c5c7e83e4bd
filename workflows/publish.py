"""The work leaves: committed in the sandbox, shown to a person where asked for, pushed once."""

from temporalio import workflow

with workflow.unsafe.imports_passed_through():
    from activities.pull_request import OpenPullRequestInput, PullRequestActivities
    from activities.repository import CommitWorkInput, CommitWorkResult, PushBranchInput, RepositoryActivities
    from domain.run import Pace
    from domain.value import Value
    from domain.workspace import WorkspaceRef
    from workflows.approvals import Attended
    from workflows.options import REMOTE
    from workflows.workspace import Seat


class PublishInput(Value):
    run_id: str
    agent: str
    workspace: WorkspaceRef
    approval: bool
    push: bool
    pull_request: bool = False
    number: int = 1
    paused: bool = False
    pace: Pace = Pace()


class PublishResult(Value):
    """`files` is 0 where there was nothing to commit; `rejected` is a person's reason."""

    files: int
    branch: str = ""
    pushed: bool = False
    pull_request: str = ""
    """Its address."""
    rejected: str | None = None
    workspace: WorkspaceRef


@workflow.defn
class PublishWorkflow(Attended):
    @workflow.init
    def __init__(self, input: PublishInput) -> None:
        super().__init__()
        self.run_id = input.run_id
        self.paused = input.paused
        self.seat = Seat(input.run_id, input.agent, input.workspace, f"publish/{input.number}", input.pace)

    @workflow.run
    async def run(self, input: PublishInput) -> PublishResult:
        await self.while_paused()
        work = await self._commit(input)
        if work.commit is None or not input.push:
            return PublishResult(files=work.files, branch=work.branch, workspace=self.seat.workspace)
        if input.approval or work.asks:
            subject = {"branch": work.branch, "commit": work.commit, "files": work.files}
            decision = await self.ask("publish", f"publish/{input.number}", subject)
            if decision.decision == "reject":
                return PublishResult(
                    files=work.files, branch=work.branch, rejected=decision.reason, workspace=self.seat.workspace
                )
        await self.while_paused()
        await workflow.execute_activity_method(
            RepositoryActivities.push_branch,
            PushBranchInput(run_id=input.run_id),
            **REMOTE,
            summary=f"push {work.branch}"[:80],
        )
        url = await self._open_pull_request(input) if input.pull_request else ""
        return PublishResult(
            files=work.files, branch=work.branch, pushed=True, pull_request=url, workspace=self.seat.workspace
        )

    async def _open_pull_request(self, input: PublishInput) -> str:
        opened = await workflow.execute_activity_method(
            PullRequestActivities.open_pull_request,
            OpenPullRequestInput(run_id=input.run_id),
            **REMOTE,
            summary="open the pull request",
        )
        return opened.url

    async def _commit(self, input: PublishInput) -> CommitWorkResult:
        def asked(workspace: WorkspaceRef) -> CommitWorkInput:
            return CommitWorkInput(run_id=input.run_id, workspace=workspace, agent=input.agent, number=input.number)

        return await self.seat.call(RepositoryActivities.commit_work, asked, "commit the work")
