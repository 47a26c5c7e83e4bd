"""What a person may tell a run: the inputs of its updates and signals, one value each.

The words: `pause`, `resume`, `cancel`, `send_message`, and `decide_approval` with `domain.approval.DecideApproval`.
"""

from datetime import datetime

from pydantic import Field

from domain.value import Value

MESSAGE_MAX_CHARACTERS = 100_000
BY_SIGNAL = "temporal (unverified)"
"""Who a word is ascribed to that came past the API, where nobody proved who they are."""
BY_ITSELF = "perdure"
"""Who an approval is ascribed to that no person was needed for."""


class PauseRun(Value):
    by: str = BY_SIGNAL


class ResumeRun(Value):
    by: str = BY_SIGNAL


class CancelRun(Value):
    by: str = BY_SIGNAL
    reason: str = Field(default="", max_length=10_000)


class ShowWait(Value):
    """From a worker, not from a person: the run waits for its provider, or does no more where `until` is None."""

    until: datetime | None = None
    reason: str = ""


class ShowChildren(Value):
    """From a phase: its run waits for these runs, or for none any more."""

    runs: tuple[str, ...] = ()


class SendMessage(Value):
    """`message_id` is the sender's: the same id twice is one message."""

    message_id: str = Field(min_length=1, max_length=200, pattern=r"^[^\x00]+$")
    text: str = Field(min_length=1, max_length=MESSAGE_MAX_CHARACTERS)
    by: str = BY_SIGNAL


class LookAgain(Value):
    """What a run waits for a word on may have come about without one: it tries, and asks anew where it has not."""

    approval_id: str
    reason: str
