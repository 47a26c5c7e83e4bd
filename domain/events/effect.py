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
    type: Literal["effect_intended"] = "effect_intended"
    effect: str
    target: str


class EffectDone(Value):
    """`found` is true where a probe saw that an earlier attempt had done it."""

    type: Literal["effect_done"] = "effect_done"
    effect: str
    target: str
    receipt: dict[str, Any]
    found: bool = False
