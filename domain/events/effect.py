"""What is checked, committed and sent out."""

from typing import Any, Literal

from domain.repository import PublishedWork
from domain.value import Value


class VerifyEnded(Value):
    type: Literal["verify_ended"] = "verify_ended"
    round: int
    passed: bool
    failed_commands: tuple[str, ...] = ()


class WorkCommitted(Value):
    type: Literal["work_committed"] = "work_committed"
    work: PublishedWork


class EffectIntended(Value):
    """Recorded before an attempt reaches out: an intent without an outcome may have been carried out."""

    type: Literal["effect_intended"] = "effect_intended"
    effect: str
    """Its kind."""
    target: str
    key: str
    attempt: int = 1
    holder: str = ""
    """Whose attempt it is; of two that want the same number, one gets it."""
    about: str = ""
    request: str = ""
    """Hash of exactly what is sent."""


class EffectDone(Value):
    """`found` is true where a probe saw that an earlier attempt had done it."""

    type: Literal["effect_done"] = "effect_done"
    effect: str
    target: str
    key: str
    attempt: int = 1
    receipt: dict[str, Any]
    found: bool = False
    by: str = ""
    """The person who said so, where nobody else could know."""


class EffectFailed(Value):
    """This attempt certainly changed nothing."""

    type: Literal["effect_failed"] = "effect_failed"
    effect: str
    target: str
    key: str
    attempt: int
    reason: str
