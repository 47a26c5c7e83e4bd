"""Where a run may be forked, and what a fork takes over: one pass over the parent's events."""

import re
from collections.abc import Iterable
from dataclasses import dataclass, field
from datetime import datetime
from functools import reduce

from domain.errors import Conflict, InvalidRequest
from domain.event import (
    LimitsRaised,
    PlanAccepted,
    PlanProposed,
    RepositoryResolved,
    RunSubmitted,
    ToolReturned,
    TurnAnswered,
    WorkspaceOpened,
)
from domain.limits import Limits, Spent
from domain.record import RecordedEvent
from domain.run import Phase
from domain.snapshot import SnapshotRef
from domain.value import Value

CARRIED = (
    "repository_resolved",
    "rules_read",
    "plan_proposed",
    "plan_accepted",
    "message_received",
    "note_added",
    "turn_answered",
    "tool_returned",
)
"""Types of the events that a fork takes over: the conversation, the plan, and what the files came from. Never receipts,
approvals, checks, status, or what is alive. Checks return too: their keys keep them out."""
READ = (
    "run_submitted",
    "limits_raised",
    "repository_resolved",
    "plan_proposed",
    "plan_accepted",
    "workspace_opened",
    "turn_answered",
    "tool_returned",
)
"""Types of the events that `Trail` folds."""
_POINT = re.compile(r"turn/([1-9]\d{0,8})(?:/call/(0|[1-9]\d{0,3}))?")
_CALL = re.compile(r"turn/(\d+)/call/(\d+)")


class Cut(Value):
    """A run as it stood at one committed point."""

    at: str
    seq: int
    """The last event that belongs to it."""
    moment: datetime
    answered: int
    """The last turn that was answered."""
    turn: int
    """The last turn that is over."""
    phase: Phase
    finished: bool
    stop: str
    """How the last answer ended."""
    silent: bool
    """It called no tool."""
    unmade: tuple[tuple[str, str], ...]
    """Keys and tools of the calls that the last answer asks for and that had not returned."""
    snapshot: SnapshotRef
    limits: Limits
    spent: Spent
    """Up to the last answer. Without `seconds`, which stand in other events."""
    last: Spent
    """For the last answer alone."""
    marks: dict[str, str]
    """Keys of the events that a summary is a fold of, by name of the mark."""


@dataclass
class _Turn:
    answered: TurnAnswered
    seq: int
    moment: datetime
    spent: Spent
    """Up to it, itself included."""
    returned: dict[int, tuple[int, datetime, bool]] = field(default_factory=dict)
    """Calls by index: when they were committed, and whether they ended the phase."""
    children: list[tuple[int, Spent]] = field(default_factory=list)
    """What the children used that its calls started."""

    def spent_by(self, seq: int) -> Spent:
        """With what its calls had used of children until then."""
        return reduce(Spent.plus, (spent for at, spent in self.children if at <= seq), self.spent)

    @property
    def last(self) -> tuple[int, datetime]:
        return max((one[:2] for one in self.returned.values()), default=(self.seq, self.moment))

    def unmade(self, seq: int) -> tuple[tuple[str, str], ...]:
        made = {index for index, one in self.returned.items() if one[0] <= seq}
        calls = enumerate(self.answered.message.calls)
        return tuple((f"turn/{self.answered.turn}/call/{at}", call.name) for at, call in calls if at not in made)


class Trail:
    """Give it all events of `READ`, in order; it keeps a few bytes of each."""

    def __init__(self) -> None:
        self._turns: dict[int, _Turn] = {}
        self._snapshots: list[tuple[int, SnapshotRef]] = []
        self._marks: list[tuple[int, str, str]] = []
        self._limits: list[tuple[int, Limits]] = []
        self._spent = Spent()
        self._generation = 0

    def take(self, events: Iterable[RecordedEvent]) -> None:
        for recorded in events:
            self._take(recorded)

    def _take(self, recorded: RecordedEvent) -> None:
        match recorded.event:
            case RunSubmitted(spec=spec):
                self._limits.append((recorded.seq, spec.limits))
            case LimitsRaised(limits=limits):
                self._limits.append((recorded.seq, limits))
            case RepositoryResolved():
                self._marks.append((recorded.seq, "repository", recorded.key))
            case PlanProposed() | PlanAccepted():
                self._marks.append((recorded.seq, "plan", recorded.key))
            case WorkspaceOpened() as opened if opened.generation > self._generation:
                self._generation = opened.generation
                self._snapshots.append((recorded.seq, opened.snapshot))
            case TurnAnswered() as answered:
                self._answer(recorded, answered)
            case ToolReturned() as returned:
                self._return(recorded, returned)
            case _:
                pass

    def _answer(self, recorded: RecordedEvent, answered: TurnAnswered) -> None:
        # A fork has its parent's turns in its own journal: they count as they did there.
        self._spent = self._spent.plus(_cost(answered))
        self._turns[answered.turn] = _Turn(answered, recorded.seq, recorded.at, self._spent)

    def _return(self, recorded: RecordedEvent, returned: ToolReturned) -> None:
        if returned.snapshot is not None:
            self._snapshots.append((recorded.seq, returned.snapshot))
        if returned.todo is not None:
            self._marks.append((recorded.seq, "todo", recorded.key))
        place = _CALL.fullmatch(returned.call)
        if place is not None and (turn := self._turns.get(int(place[1]))) is not None:
            turn.returned[int(place[2])] = (recorded.seq, recorded.at, returned.finished)
            if returned.child is not None:
                self._spent = self._spent.plus(returned.child.spent)
                turn.children.append((recorded.seq, returned.child.spent))

    def cut(self, at: str | None = None) -> Cut:
        """None is the newest point. Raises InvalidRequest for a point that is not there, Conflict for an open one."""
        if not self._snapshots:
            raise Conflict("The run has opened no workspace yet", "Fork it once it works, or start another run.")
        at = self._newest() if at is None else at
        turn, seq, moment = self._point(at)
        unmade = turn.unmade(seq)
        number = turn.answered.turn
        over = not unmade
        return Cut(
            at=at,
            seq=seq,
            moment=moment,
            answered=number,
            turn=number if over else number - 1,
            phase=turn.answered.phase,
            finished=over and any(ends for place, _, ends in turn.returned.values() if place <= seq),
            stop=turn.answered.stop,
            silent=not turn.answered.message.calls,
            unmade=unmade,
            snapshot=next(one for place, one in reversed(self._snapshots) if place <= seq),
            limits=next(one for place, one in reversed(self._limits) if place <= seq),
            spent=turn.spent_by(seq),
            last=_cost(turn.answered),
            marks={name: key for place, name, key in self._marks if place <= seq},
        )

    def _newest(self) -> str:
        for number in sorted(self._turns, reverse=True):
            turn = self._turns[number]
            if not turn.unmade(turn.last[0]):
                return f"turn/{number}"
            if turn.returned:
                return f"turn/{number}/call/{max(turn.returned, key=lambda index: turn.returned[index][0])}"
        raise Conflict("The run has made no turn yet", "Fork it once it has, or start another run.")

    def _point(self, at: str) -> tuple[_Turn, int, datetime]:
        asked = _POINT.fullmatch(at)
        if asked is None:
            raise InvalidRequest(f"at: {at[:100]!r} is no point of a run", "Write `turn/12` or `turn/12/call/0`.")
        turn = self._turns.get(int(asked[1]))
        if turn is None:
            last = max(self._turns, default=0)
            raise InvalidRequest(
                f"at: the run has no turn {asked[1]}", f"It has answered {last} so far." if last else "It has none yet."
            )
        if asked[2] is None:
            seq, moment = turn.last
            if unmade := turn.unmade(seq):
                raise Conflict(f"{unmade[0][0]} has not returned", "Fork at a call that has, or at the turn before.")
            return turn, seq, moment
        index, calls = int(asked[2]), len(turn.answered.message.calls)
        if index >= calls:
            raise InvalidRequest(f"at: turn {asked[1]} has {calls} calls, counted from 0", "Name one of them.")
        if index not in turn.returned:
            raise Conflict(f"{at} has not returned", "Fork at a call that has, or wait until it has.")
        seq, moment, _ = turn.returned[index]
        return turn, seq, moment


def _cost(answered: TurnAnswered) -> Spent:
    return Spent(turns=1, tokens=answered.usage.counted_tokens, cost_usd=answered.cost_usd)
