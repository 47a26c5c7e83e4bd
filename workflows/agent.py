"""The agent's loop: ask the model, make its calls, until it says that it is done."""

from typing import Literal

from temporalio import workflow

with workflow.unsafe.imports_passed_through():
    from activities.model import ModelActivities
    from activities.turns import CallModelInput, CallModelResult
    from domain.account import Refusal
    from domain.agent import AgentStance, is_stuck
    from domain.limits import Limits, Spent, nearly_out_of_time, out_of_time
    from domain.mailbox import SendMessage
    from domain.notes import Note
    from domain.notify import Listener
    from domain.run import Pace, Phase
    from domain.value import Value
    from domain.workspace import WorkspaceRef
    from workflows.approvals import Attended
    from workflows.calls import make_calls
    from workflows.limits import ask_for_more
    from workflows.options import MODEL
    from workflows.workspace import Seat


class AgentState(Value):
    """What a phase begins with, and what survives continue-as-new."""

    run_id: str
    phase: Phase
    agent: str
    model: str
    workspace: WorkspaceRef
    turn: int
    """The last turn that was answered, over the whole run."""
    limits: Limits
    spent: Spent
    stance: AgentStance = AgentStance()
    messages: tuple[SendMessage, ...] = ()
    notes: tuple[Note, ...] = ()
    paused: bool = False
    moves: int = 0
    pace: Pace = Pace()
    listeners: tuple[Listener, ...] = ()
    """Those of its run and of its children, as are `signal_decisions`."""
    signal_decisions: bool = True


class AgentResult(Value):
    """`reason` says why it `stopped`; `messages` are those that nobody has read yet."""

    outcome: Literal["finished", "stopped", "set_aside"]
    reason: str = ""
    turn: int
    limits: Limits
    spent: Spent
    workspace: WorkspaceRef
    messages: tuple[SendMessage, ...] = ()
    state: AgentState | None = None
    """What it goes on from where it was `set_aside`, without the messages."""


@workflow.defn
class AgentWorkflow(Attended):
    @workflow.init
    def __init__(self, input: AgentState) -> None:
        super().__init__()
        self.run_id = input.run_id
        self.given = input
        self.paused = input.paused
        self.messages = list(input.messages)
        self.notes = list(input.notes)
        self.turn = input.turn
        self.limits = input.limits
        self.stance = input.stance
        self.turns = 0
        self.refusals = self.told = 0
        """How often the next turn was refused by a limit, and how many notes it was given before."""
        self.makes_way = False
        self.began = workflow.now()
        self.seat = Seat(input.run_id, input.agent, input.workspace, input.phase, input.pace, input.moves)

    @workflow.run
    async def run(self, input: AgentState) -> AgentResult:
        # Temporal does not hand a summary on to what a workflow becomes as new; its details take that place.
        workflow.set_current_details(f"### {input.phase} as {input.agent}\n\nfrom turn {input.turn + 1} on")
        while True:
            if (stop := await self._may_go_on()) is not None:
                return self._result("stopped", stop)
            if self._may_make_way():
                return self._result("set_aside")
            answer = await self._ask_model()
            if answer.refusal is not None:
                if (stop := await self._ask_for_more(answer.refusal)) is not None:
                    return self._result("stopped", stop)
                continue
            finished, fingerprints = await make_calls(self, answer)
            if finished and not self.messages:
                return self._result("finished")
            self._take_stock(answer, fingerprints)
            if (stop := await self._unstick()) is not None:
                return self._result("stopped", stop)
            self._continue_as_new_in_time()

    @workflow.signal
    def make_way(self) -> None:
        """From the run, which wants to continue as new and may not while a phase runs."""
        self.makes_way = True

    def _may_make_way(self) -> bool:
        """Never without having done anything, and not while it is asked about a limit: such questions are counted."""
        return self.makes_way and not self.refusals and (self.turns > 0 or self.paused)

    async def _may_go_on(self) -> str | None:
        """Waits while paused and where its time is up; says why the phase must stop, if it must."""
        await self.while_paused(self._may_make_way)
        while out_of_time(self.limits, self.spent_now()):
            if (stop := await self._ask_for_more(Refusal(scope="run", limit="seconds"))) is not None:
                return stop
            self.stance = self.stance.model_copy(update={"wrapping_up": False})
        if nearly_out_of_time(self.limits, self.spent_now()) and not self.stance.wrapping_up:
            self.stance = self.stance.model_copy(update={"wrapping_up": True})
            self.notes.append(Note(kind="wrap_up", reason="a tenth of its time is left"))
        return None

    async def _ask_for_more(self, refusal: Refusal) -> str | None:
        if (stop := await ask_for_more(self, refusal)) is None:
            self.notes.append(Note(kind="go_on"))
        return stop

    async def _ask_model(self) -> CallModelResult:
        turn = self.turn + 1
        messages, self.messages = tuple(self.messages), []
        notes, self.notes = tuple(self.notes), []
        answer = await workflow.execute_activity_method(
            ModelActivities.call_model,
            CallModelInput(
                run_id=self.run_id,
                turn=turn,
                phase=self.given.phase,
                agent=self.given.agent,
                model=self.given.model,
                messages=messages,
                notes=notes,
                told=self.told,
            ),
            **MODEL,
            summary=f"turn {turn}: ask {self.given.model}"[:80],
        )
        self.waited_seconds += answer.waited_seconds
        if answer.refusal is not None:
            self.told += len(notes)
            return answer
        self.turn = turn
        self.turns += 1
        self.refusals = self.told = 0
        return answer

    def _take_stock(self, answer: CallModelResult, fingerprints: list[str]) -> None:
        """Keeps count of what shows that the agent goes in circles, and reminds it of what it must do."""
        silent = answer.said == 0
        malformed = answer.said > 0 and answer.malformed == answer.said
        if answer.stop == "length":
            self.notes.append(Note(kind="cut_off"))
        elif silent and not self.messages:
            self.notes.append(Note(kind="no_tool_call"))
        self.stance = self.stance.model_copy(
            update={
                "silent_in_a_row": self.stance.silent_in_a_row + 1 if silent else 0,
                "malformed_in_a_row": self.stance.malformed_in_a_row + 1 if malformed else 0,
                "fingerprints": (*self.stance.fingerprints, *fingerprints)[-12:],
            }
        )

    async def _unstick(self) -> str | None:
        """Nudges once, then asks a person."""
        if (reason := is_stuck(self.stance)) is None:
            return None
        nudged = self.stance.nudged
        self.stance = AgentStance(nudged=not nudged, wrapping_up=self.stance.wrapping_up)
        if not nudged:
            self.notes.append(Note(kind="stuck", reason=reason))
            return None
        decision = await self.ask("stuck", f"stuck/{self.turn}", {"reason": reason}, reason)
        if decision.decision == "reject":
            return f"the agent was stuck: {reason}"
        self.notes.append(Note(kind="go_on"))
        if decision.reason:
            said = SendMessage(message_id=f"stuck/{self.turn}", text=decision.reason, by=decision.by)
            self.messages.append(said)
        return None

    def spent_now(self) -> Spent:
        seconds = (workflow.now() - self.began).total_seconds() - self.waited_seconds
        return self.given.spent.model_copy(update={"seconds": self.given.spent.seconds + seconds})

    def _continue_as_new_in_time(self) -> None:
        self.stop_if_cancelled()
        at, turns_per_execution = workflow.info(), self.given.pace.turns_per_execution
        many = at.get_current_history_length() >= self.given.pace.events_per_execution
        if not self.makes_way and (many or self.turns >= turns_per_execution or at.is_continue_as_new_suggested()):
            workflow.continue_as_new(self._state())

    def _state(self) -> AgentState:
        changed = {
            "workspace": self.seat.workspace,
            "turn": self.turn,
            "limits": self.limits,
            "spent": self.spent_now(),
            "stance": self.stance,
            "messages": tuple(self.messages),
            "notes": tuple(self.notes),
            "paused": self.paused,
            "moves": self.seat.moves,
        }
        return self.given.model_copy(update=changed)

    def _result(self, outcome: Literal["finished", "stopped", "set_aside"], reason: str = "") -> AgentResult:
        return AgentResult(
            outcome=outcome,
            reason=reason,
            turn=self.turn,
            limits=self.limits,
            spent=self.spent_now(),
            workspace=self.seat.workspace,
            messages=tuple(self.messages),
            state=self._state().model_copy(update={"messages": ()}) if outcome == "set_aside" else None,
        )
