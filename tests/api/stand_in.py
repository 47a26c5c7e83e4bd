"""A run that only listens, so that the API is tested against a real server and worker without agents."""

from temporalio import workflow

with workflow.unsafe.imports_passed_through():
    from domain.approval import DecideApproval
    from domain.run import RunInput
    from workflows.mailbox import Mailbox


@workflow.defn(name="RunWorkflow")
class StandInWorkflow(Mailbox):
    """The real mailbox; it ends when it is cancelled."""

    @workflow.init
    def __init__(self, input: RunInput) -> None:
        super().__init__(input.signal_decisions)
        self.given = input
        if input.title.startswith("ask "):
            self.pending[input.title.removeprefix("ask ")] = "tool_call"

    @workflow.run
    async def run(self, _input: RunInput) -> str:
        await workflow.wait_condition(lambda: self.cancelled is not None)
        self.closed = "The run is cancelled."
        return "cancelled"

    @workflow.query
    def get_heard(self) -> list[str]:
        return [type(word).__name__ for word in self.words]

    @workflow.query
    def get_given(self) -> RunInput:
        return self.given

    @workflow.query
    def get_decisions(self) -> dict[str, DecideApproval]:
        return self.decided
