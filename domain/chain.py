"""The models of a run, one behind the other: on which it stands, and what its provider refused."""

from collections.abc import Sequence
from datetime import datetime

from domain.event import ModelChanged, RunSubmitted, StatusChanged, TurnAnswered, TurnRefused
from domain.model import Usage
from domain.record import RecordedEvent
from domain.run import Phase
from domain.value import Value


class Waited(Value):
    """What a turn waited for its provider. `shown` says that Temporal was told of it."""

    seconds: float
    shown: bool


class Chain:
    """A fold of the journal, as the dossier is."""

    def __init__(self) -> None:
        self.fallbacks: tuple[str, ...] = ()
        self.changed: ModelChanged | None = None
        """The last change, if there was any."""
        self.phase_begins = True
        """No model has answered since a phase was entered."""
        self.waited: dict[int, Waited] = {}
        """By turn, where it had to wait."""
        self._refused: list[tuple[TurnRefused, datetime]] = []
        self._usage: dict[Phase, Usage] = {}

    def take(self, recorded: RecordedEvent) -> None:
        match recorded.event:
            case RunSubmitted() as event:
                self.fallbacks = event.fallback_models
            case StatusChanged(phase=phase) if phase is not None:
                self.phase_begins = True
            case ModelChanged() as event:
                self.changed = event
            case TurnRefused() as event:
                self._refused.append((event, recorded.at))
            case TurnAnswered() as event:
                self._answered(event, recorded.at)
            case _:
                pass

    def _answered(self, answered: TurnAnswered, at: datetime) -> None:
        self.phase_begins = False
        self._usage[answered.phase] = answered.usage
        refused = self.refused(answered.turn)
        if refused:
            seconds = (at - refused[0][1]).total_seconds() - answered.seconds
            shown = any(one.shown for one, _ in refused)
            self.waited[answered.turn] = Waited(seconds=round(max(0.0, seconds), 3), shown=shown)
        self._refused = []

    def standing(self, first: str) -> str:
        return first if self.changed is None else self.changed.model

    def order(self, first: str) -> tuple[str, ...]:
        """Whom to ask, in turn. A phase begins with the chain's first: its conversation is new, no cache is lost."""
        standing = self.standing(first)
        chain = (first, *self.fallbacks)
        if self.phase_begins and standing in chain:
            return tuple(dict.fromkeys(chain))
        return tuple(dict.fromkeys((standing, *chain)))

    def refused(self, turn: int, model: str | None = None) -> Sequence[tuple[TurnRefused, datetime]]:
        """What was refused to a turn that nobody has answered yet, and when."""
        return [pair for pair in self._refused if pair[0].turn == turn and model in (None, pair[0].model)]

    def conversation_tokens(self, phase: Phase) -> int:
        """Of the phase's conversation as its last answer counted them: what another provider's cache has not."""
        usage = self._usage.get(phase, Usage())
        return usage.input_tokens + usage.cache_read_tokens + usage.cache_write_tokens + usage.output_tokens
