"""The run's own checks, one command after the other; they see the work and leave no trace in it."""

from temporalio import workflow

with workflow.unsafe.imports_passed_through():
    from domain.event import VerifyEnded
    from domain.run import Pace
    from domain.value import Value
    from domain.workspace import WorkspaceRef
    from workflows.approvals import Attended
    from workflows.calls import call_tool
    from workflows.journal import record
    from workflows.workspace import Seat


class VerifyInput(Value):
    run_id: str
    agent: str
    round: int
    commands: int
    workspace: WorkspaceRef
    paused: bool = False
    pace: Pace = Pace()


class VerifyResult(Value):
    passed: bool
    workspace: WorkspaceRef


@workflow.defn
class VerifyWorkflow(Attended):
    @workflow.init
    def __init__(self, input: VerifyInput) -> None:
        super().__init__()
        self.run_id = input.run_id
        self.paused = input.paused
        self.seat = Seat(input.run_id, input.agent, input.workspace, f"verify/{input.round}", input.pace)

    @workflow.run
    async def run(self, input: VerifyInput) -> VerifyResult:
        failed: list[str] = []
        for index in range(input.commands):
            await self.while_paused()
            call = f"verify/{input.round}/call/{index}"
            result = await call_tool(self.seat, call, f"verify: command {index + 1} of {input.commands}")
            if result.is_error or result.exit_code != 0:
                failed.append(call)
        ended = VerifyEnded(round=input.round, passed=not failed, failed_commands=tuple(failed))
        await record(input.run_id, (f"verify/{input.round}", ended))
        return VerifyResult(passed=not failed, workspace=self.seat.workspace)
