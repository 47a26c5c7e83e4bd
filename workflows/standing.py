"""Where a run stands between its phases, and how that survives when `run/<id>` continues as new.

It does so only while no phase runs, so that nobody's result or word goes astray: an agent's phase that is asked to make
way ends at the end of a turn, and goes on from there under the run's next execution.
"""

import asyncio

from temporalio import workflow

with workflow.unsafe.imports_passed_through():
    from domain.limits import Limits, Spent
    from domain.mailbox import SendMessage
    from domain.run import Phase
    from workflows.agent import AgentState
    from workflows.attendance import Attendance
    from workflows.mailbox import Mailbox
    from workflows.renewal import RunGoesOn, RunState, kept_decisions, kept_messages, weight
    from workflows.workspace import Seat


class Standing(Mailbox):
    def __init__(self, input: RunGoesOn) -> None:
        super().__init__(input.signal_decisions, input.pace.events_per_execution)
        self.given = input
        self.run_id = input.run_id
        self.attendance = Attendance(self)
        self.messages: list[SendMessage] = []
        """Those that no phase has read yet."""
        self.turn = input.fork.turn if input.fork else 0
        self.limits: Limits = input.limits
        self.spent = input.fork.spent.without(input.fork.again) if input.fork else Spent()
        self.plans = self.works = self.rounds = self.failures = 0
        self.introduced = input.state is not None
        """Whether a child stands in the journal."""
        self.seat: Seat | None = None
        """From when the workspace was first opened."""
        self.set_aside: AgentState | None = None
        """The agent's phase in which the run continued as new, until it goes on."""
        if input.state is not None:
            self._go_on_from(input.state)

    def _go_on_from(self, state: RunState) -> None:
        agent = self.set_aside = state.agent
        self.attendance = Attendance(self, agent.phase, state.records)
        self.turn, self.limits, self.spent, self.paused = agent.turn, agent.limits, agent.spent, agent.paused
        self.plans, self.works, self.rounds, self.failures = state.plans, state.works, state.rounds, state.failures
        self.pending, self.wait = dict(state.pending), state.wait
        self.decided = {one.approval_id: one for one in state.decided}
        self.seen_messages = dict.fromkeys(state.seen_messages)
        self.messages = list(agent.messages)
        self.bytes_told = sum(map(weight, self.messages))
        self.seat = Seat(self.run_id, self.given.agent, agent.workspace, "run", self.given.pace, agent.moves)

    def goes_on(self, phase: Phase) -> bool:
        """Whether the run has just continued as new in this phase, which has its place already."""
        return self.set_aside is not None and self.set_aside.phase == phase

    def begins_after(self, phase: Phase) -> bool:
        """Whether the run is a fork of one whose agent had finished that phase just there."""
        fork = self.given.fork
        return fork is not None and fork.phase == phase and fork.finished

    async def continue_as_new_in_time(self, agent: AgentState) -> None:
        """Before an agent's phase begins or goes on, when no phase runs."""
        if not self.is_long():
            return
        await self.attendance.caught_up()
        if self.cancelled is not None:
            raise asyncio.CancelledError
        state = RunState(
            agent=agent.model_copy(update={"messages": tuple(self.messages), "paused": self.paused}),
            plans=self.plans,
            works=self.works,
            rounds=self.rounds,
            failures=self.failures,
            pending=self.pending,
            decided=kept_decisions(self.decided),
            seen_messages=kept_messages(self.seen_messages),
            wait=self.wait,
            records=self.attendance.records,
        )
        workflow.continue_as_new(self.given.model_copy(update={"state": state}))
