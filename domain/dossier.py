"""What activities know of a run: one fold of its journal that takes events as they come."""

from collections.abc import Iterable
from datetime import datetime

from domain.approval import AGAIN, DecideApproval, Plan, about
from domain.chain import Chain
from domain.child import ChildOf
from domain.conversation import Conversation
from domain.effect import Ledger
from domain.event import (
    ApprovalDecided,
    ApprovalRequested,
    EffectDone,
    EffectFailed,
    EffectIntended,
    PlanAccepted,
    PlanProposed,
    RepositoryResolved,
    RulesRead,
    RunDelegated,
    RunSubmitted,
    ToolReturned,
    ToolStarted,
    TurnAnswered,
    VerifyEnded,
    WorkspaceOpened,
)
from domain.model import ToolCall
from domain.record import RecordedEvent
from domain.repository import ResolvedRepository
from domain.run import Phase, RunSpec
from domain.snapshot import SnapshotRef
from domain.terms import Terms


class Dossier:
    """Grows with the journal and is never stored: whoever loses it folds again."""

    def __init__(self, run_id: str) -> None:
        self.run_id = run_id
        self.seq = 0
        self.conversation = Conversation()
        self.chain = Chain()
        self.child: ChildOf | None = None
        self.rules: str | None = None
        self.proposed: Plan | None = None
        self._accepted: Plan | None = None
        self.repository: ResolvedRepository | None = None
        self.decided: dict[str, DecideApproval] = {}
        """By what they are about; where a person was asked again, the last word."""
        self.granted: set[str] = set()
        """Tools that a person allowed for the rest of the run."""
        self.cwd: str | None = None
        self.environment: dict[str, str] = {}
        self.snapshot: SnapshotRef | None = None
        """The last committed one."""
        self.terms = Terms()
        """Of the workspace as it was opened last."""
        self.verified: VerifyEnded | None = None
        """How the verify commands ended last."""
        self.attempts: dict[str, int] = {}
        """The newest attempt of each call that was started."""
        self.returned: dict[str, ToolReturned] = {}
        self.ledger = Ledger()
        self.outputs: dict[str, str] = {}
        """Whole outputs by call key: their addresses in the blob store."""
        self._submitted: tuple[RunSubmitted, datetime] | None = None
        self._answers: dict[int, TurnAnswered] = {}
        self._finishes: dict[Phase, int] = {}
        self._phases: dict[int, Phase] = {}
        self._generation = 0

    @property
    def spec(self) -> RunSpec:
        return self._submission()[0].spec

    @property
    def depth(self) -> int:
        """How many runs it comes of."""
        return self.child.depth if self.child else 0

    @property
    def model(self) -> tuple[str, tuple[str, ...]]:
        """As it was asked for, and who answers in its stead."""
        return self._submission()[0].model, self._submission()[0].fallback_models

    @property
    def owner(self) -> str:
        return self._submission()[0].owner

    @property
    def plan(self) -> Plan | None:
        """The plan that the work follows: as a person edited it, or as it was proposed."""
        return self._accepted or self.proposed

    @property
    def submitted_at(self) -> datetime:
        return self._submission()[1]

    def _submission(self) -> tuple[RunSubmitted, datetime]:
        if self._submitted is None:
            raise ValueError(f"run {self.run_id} has no RunSubmitted event")
        return self._submitted

    def answer(self, turn: int) -> TurnAnswered | None:
        return self._answers.get(turn)

    def finishes(self, phase: Phase) -> int:
        """How many `finish` calls of a phase have returned."""
        return self._finishes.get(phase, 0)

    def take(self, events: Iterable[RecordedEvent]) -> None:
        for recorded in events:
            if recorded.seq > self.seq:
                self.seq = recorded.seq
                self.conversation.take(recorded)
                self.chain.take(recorded)
                self._take(recorded)

    def _take(self, recorded: RecordedEvent) -> None:
        match recorded.event:
            case RunSubmitted() as event:
                self._submitted = (event, recorded.at)
            case RunDelegated(child=child):
                self.child = child
            case RulesRead(text=text):
                self.rules = text
            case PlanProposed(plan=plan):
                self.proposed = plan
            case PlanAccepted(plan=plan):
                self._accepted = plan
            case RepositoryResolved(repository=repository):
                self.repository = repository
            case ApprovalDecided(decision=decision):
                self._decide(decision)
            case ApprovalRequested(card=card) if AGAIN in card.approval_id:
                self._take_back(about(card.approval_id))
            case TurnAnswered() as event:
                self._answers[event.turn] = event
                self._phases[event.turn] = event.phase
            case WorkspaceOpened() as event if event.generation > self._generation:
                # A host that hung while it opened may say so late, of a generation that is over.
                self._generation, self.snapshot, self.terms = event.generation, event.snapshot, event.terms
            case VerifyEnded() as event:
                self.verified = event
            case ToolStarted() as event:
                self.attempts[event.call] = event.attempt
            case ToolReturned() as event:
                self._return(event)
            case EffectIntended() | EffectDone() | EffectFailed():
                self.ledger.take(recorded)
            case _:
                pass

    def _decide(self, decision: DecideApproval) -> None:
        call = about(decision.approval_id)
        self.decided[call] = decision
        said = self.said(call)
        if said is not None and decision.decision == "approve" and decision.scope == "kind":
            self.granted.add(said.name)

    def _take_back(self, call: str) -> None:
        """A yes that came too late for the world that it was about."""
        self.decided.pop(call, None)
        if (said := self.said(call)) is not None:
            self.granted.discard(said.name)

    def said(self, call: str) -> ToolCall | None:
        """What the model said in `turn/<n>/call/<i>`."""
        match call.split("/"):
            case ["turn", turn, "call", index]:
                answered = self._answers.get(int(turn))
                calls = answered.message.calls if answered else ()
                return calls[int(index)] if int(index) < len(calls) else None
        return None

    def _return(self, event: ToolReturned) -> None:
        if event.cwd is not None:
            self.cwd = event.cwd
        if event.environment is not None:
            self.environment = event.environment
        if event.result.output_ref is not None:
            self.outputs[event.call] = event.result.output_ref
        if event.snapshot is not None:
            self.snapshot = event.snapshot
        self.returned[event.call] = event
        scope, number, *_ = event.call.split("/")
        if scope == "turn" and event.name == "finish" and (phase := self._phases.get(int(number))) is not None:
            self._finishes[phase] = self._finishes.get(phase, 0) + 1

    def checks(self, round_number: int) -> list[ToolReturned]:
        """Results of the verify commands of a round, in their order."""
        prefix = f"verify/{round_number}/call/"
        return [one for call, one in self.returned.items() if call.startswith(prefix)]
