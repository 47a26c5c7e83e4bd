"""What the model is told and what it answers."""

from datetime import datetime
from typing import Literal

from domain.model import AssistantMessage, Usage
from domain.run import Phase
from domain.value import Value
from domain.weather import WeatherKind


class MessageReceived(Value):
    """A person's message; the model reads it before it answers turn `turn`."""

    type: Literal["message_received"] = "message_received"
    message_id: str
    turn: int
    phase: Phase
    text: str
    by: str


class NoteAdded(Value):
    """What Perdure itself tells the model before turn `turn`: a reminder, a warning, failed checks."""

    type: Literal["note_added"] = "note_added"
    turn: int
    phase: Phase
    text: str


class TurnAnswered(Value):
    type: Literal["turn_answered"] = "turn_answered"
    turn: int
    phase: Phase
    message: AssistantMessage
    stop: Literal["end", "tool_calls", "length", "refused"]
    model: str
    usage: Usage
    cost_usd: float
    seconds: float = 0.0


class PriceUnknown(Value):
    """A model is asked that no price is known of: a limit of money does not bound what it costs."""

    type: Literal["price_unknown"] = "price_unknown"
    turn: int
    model: str


class TurnRefused(Value):
    """The provider could not answer now; the call is tried again at `until`."""

    type: Literal["turn_refused"] = "turn_refused"
    turn: int
    reason: str
    until: datetime
    unreadable: bool = False
    """It did answer, with nothing that can be used."""
    model: str = ""
    """`provider:model`."""
    kind: WeatherKind = "broken"
    asked: bool = True
    """False where another run on the same key had heard it, and nobody was asked."""
    shown: bool = False
    """Temporal was told, and will be told that the wait is over."""


class ModelChanged(Value):
    """Another model of the run's chain answers from this turn on."""

    type: Literal["model_changed"] = "model_changed"
    turn: int
    phase: Phase
    before: str
    """`provider:model`, as is `model`."""
    model: str
    reason: str
    resent_tokens: int = 0
    """The conversation so far, as the former model counted it: the next one's cache has nothing of it."""
    number: int = 1
    """Of the run's changes."""
    resent_tokens_in_all: int = 0
