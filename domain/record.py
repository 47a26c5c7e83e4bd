"""Events as the journal takes and gives them, and what is only shown live."""

from datetime import datetime
from typing import Literal

from pydantic import Field

from domain.event import Event
from domain.value import Value


class NewEvent(Value):
    """An event to record. The journal gives it its number and its time."""

    key: str = Field(min_length=1, max_length=300)
    event: Event


class RecordedEvent(Value):
    """`seq` counts within the run, from 1, without skips that a reader could mistake for missing events."""

    run_id: str
    seq: int
    key: str
    at: datetime
    event: Event


class LiveDelta(Value):
    """Tokens as they come: shown and forgotten. `attempt` lets a reader drop what a dead attempt said."""

    run_id: str
    turn: int
    attempt: int
    kind: Literal["text", "reasoning", "tool_call", "output", "reset"]
    text: str = ""
