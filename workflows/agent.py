"""The agent's loop: ask the model, make its calls, until it says that it is done."""

from typing import Literal

from temporalio import workflow

with workflow.unsafe.imports_passed_through():
    from activities.model import ModelActivities
    from activities.turns import CallModelInput, CallModelResult
    from domain.agent import AgentStance, is_stuck
    from domain.event import LimitsRaised
    from domain.limits import Limits, Spent, nearly_reached, raised, reached
    from domain.mailbox import SendMessage
    from domain.notes import Note
    from domain.run import Pace, Phase
    from domain.value import Value
    from domain.workspace import WorkspaceRef
    from workflows.approvals import Attended
    from workflows.calls import make_calls
    from workflows.journal import record
    from workflows.options import EVENTS_PER_EXECUTION, MODEL
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


class AgentResult(Value):
    """`reason` says why it `stopped`; `messages` are those that nobody has read yet."""

    outcome: Literal["finished", "stopped"]
    reason: str = ""
    turn: int
    limits: Limits
    spent: Spent
    workspace: WorkspaceRef
    messages: tuple[SendMessage, ...] = ()


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
        self.tokens = input.spent.tokens
        self.cost_usd = input.spent.cost_usd
        self.began = workflow.now()
        self.seat = Seat(input.run_id, input.agent, input.workspace, input.phase, input.pace, input.moves)

    @workflow.run
    async def run(self, input: AgentState) -> AgentResult:
        # Temporal does not hand a summary on to what a workflow becomes as new; its details take that place.
        workflow.set_current_details(f"### {input.phase} as {input.agent}\n\nfrom turn {input.turn + 1} on")
        while True:
            if (stop := await self._may_go_on()) is not None:
                return self._result("stopped", stop)
            answer = await self._ask_model()
            finished, fingerprints = await make_calls(self, answer)
            if finished and not self.messages:
                return self._result("finished")
            self._take_stock(answer, fingerprints)
            if (stop := await self._unstick()) is not None:
                return self._result("stopped", stop)
            self._continue_as_new_in_time()

    async def _may_go_on(self) -> str | None:
        """Waits while paused and at a limit; says why the phase must stop, if it must."""
        await self.while_paused()
        asked = 0
        while (limit := reached(self.limits, self._spent())) is not None:
            asked += 1
            # A word answers one question: where it did not raise the limit far enough, the next is another one.
            place = f"{self.turn}/{limit}" if asked == 1 else f"{self.turn}/{limit}/{asked}"
            subject = {"limit": limit, "limits": self.limits.model_dump(mode="json")}
            decision = await self.ask("limit", f"limit/{place}", subject, limit)
            if decision.decision == "reject":
                return f"the limit of {limit} is used up"
            self.limits = raised(self.limits, limit, decision.edited)
            await record(self.run_id, (f"limits/{place}", LimitsRaised(limits=self.limits, by=decision.by)))
            self.stance = self.stance.model_copy(update={"wrapping_up": False})
            self.notes.append(Note(kind="go_on"))
        if nearly_reached(self.limits, self._spent()) and not self.stance.wrapping_up:
            self.stance = self.stance.model_copy(update={"wrapping_up": True})
            self.notes.append(Note(kind="wrap_up", reason="one more answer, or a tenth of it, is left"))
        return None

    async def _ask_model(self) -> CallModelResult:
        self.turn += 1
        self.turns += 1
        messages, self.messages = tuple(self.messages), []
        notes, self.notes = tuple(self.notes), []
        answer = await workflow.execute_activity_method(
            ModelActivities.call_model,
            CallModelInput(
                run_id=self.run_id,
                turn=self.turn,
                phase=self.given.phase,
                agent=self.given.agent,
                model=self.given.model,
                messages=messages,
                notes=notes,
            ),
            **MODEL,
            summary=f"turn {self.turn}: ask {self.given.model}"[:80],
        )
        self.tokens += answer.tokens
        self.cost_usd += answer.cost_usd
        self.waited_seconds += answer.waited_seconds
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

    def _spent(self) -> Spent:
        seconds = (workflow.now() - self.began).total_seconds() - self.waited_seconds
        return Spent(
            turns=self.given.spent.turns + self.turns,
            tokens=self.tokens,
            cost_usd=self.cost_usd,
            seconds=self.given.spent.seconds + seconds,
        )

    def _continue_as_new_in_time(self) -> None:
        self.stop_if_cancelled()
        at, turns_per_execution = workflow.info(), self.given.pace.turns_per_execution
        long = at.get_current_history_length() >= EVENTS_PER_EXECUTION or self.turns >= turns_per_execution
        if long or at.is_continue_as_new_suggested():
            workflow.continue_as_new(
                self.given.model_copy(
                    update={
                        "workspace": self.seat.workspace,
                        "turn": self.turn,
                        "limits": self.limits,
                        "spent": self._spent(),
                        "stance": self.stance,
                        "messages": tuple(self.messages),
                        "notes": tuple(self.notes),
                        "paused": self.paused,
                        "moves": self.seat.moves,
                    }
                )
            )

    def _result(self, outcome: Literal["finished", "stopped"], reason: str = "") -> AgentResult:
        return AgentResult(
            outcome=outcome,
            reason=reason,
            turn=self.turn,
            limits=self.limits,
            spent=self._spent(),
            workspace=self.seat.workspace,
            messages=tuple(self.messages),
        )
