"""What the model is shown: a fold of the journal that only ever grows at its end."""

import re
from collections.abc import Iterable
from dataclasses import dataclass, field

from domain.event import MessageReceived, NoteAdded, ToolReturned, TurnAnswered
from domain.model import Message, ToolMessage, UserMessage
from domain.record import RecordedEvent
from domain.run import Phase

_CALL = re.compile(r"turn/(\d+)/call/(\d+)")


def conversation(events: Iterable[RecordedEvent], phase: Phase, first_message: str) -> tuple[Message, ...]:
    """The messages of one phase, with what waits to be read before its next turn."""
    whole = Conversation()
    for recorded in events:
        whole.take(recorded)
    return whole.messages(phase, first_message)


@dataclass
class _Part:
    """The conversation of one phase. Only `settled` is final; the rest may still grow."""

    settled: list[Message] = field(default_factory=list)
    results: dict[int, ToolMessage] = field(default_factory=dict)
    heard: list[UserMessage] = field(default_factory=list)
    noted: list[UserMessage] = field(default_factory=list)

    def unsettled(self) -> list[Message]:
        return [*(self.results[index] for index in sorted(self.results)), *self.heard, *self.noted]

    def settle(self, answered: TurnAnswered) -> None:
        self.settled += [*self.unsettled(), answered.message]
        self.results, self.heard, self.noted = {}, [], []


class Conversation:
    """The fold, kept between turns: give it every event of the run once, in order; each costs the same.

    A turn is: persons' messages, then notes, then the answer, then the results of its calls by their index. What is
    recorded for a turn after that turn was answered is read before the next one, so that nobody's word is lost.
    """

    def __init__(self) -> None:
        self._parts: dict[Phase, _Part] = {}
        self._answered: TurnAnswered | None = None

    def take(self, recorded: RecordedEvent) -> None:
        match recorded.event:
            case MessageReceived(phase=phase, text=text):
                self._part(phase).heard.append(UserMessage(text=text))
            case NoteAdded(phase=phase, text=text):
                self._part(phase).noted.append(UserMessage(text=text))
            case TurnAnswered() as answered:
                self._answered = answered
                self._part(answered.phase).settle(answered)
            case ToolReturned() as returned:
                self._return(returned)

    def messages(self, phase: Phase, first_message: str) -> tuple[Message, ...]:
        part = self._part(phase)
        return (UserMessage(text=first_message), *part.settled, *part.unsettled())

    def _part(self, phase: Phase) -> _Part:
        return self._parts.setdefault(phase, _Part())

    def _return(self, returned: ToolReturned) -> None:
        """Checks and set-up commands return too, but the model reads only what it called for."""
        answered = self._answered
        place = _CALL.fullmatch(returned.call)
        if place is None or answered is None or int(place[1]) != answered.turn:
            return
        index = int(place[2])
        calls = answered.message.calls
        self._part(answered.phase).results[index] = ToolMessage(
            call_id=calls[index].id if index < len(calls) else f"call_{answered.turn}_{index}",
            name=returned.name,
            text=returned.result.text,
            is_error=returned.result.is_error,
        )
