"""How far a run may go."""

from collections.abc import Mapping

from pydantic import Field

from domain.value import Value


class Limits(Value):
    """A limit that is None does not bind."""

    turns: int | None = Field(default=100, ge=1, le=10_000)
    """Answers of the model, over all phases."""
    tokens: int | None = Field(default=None, ge=1)
    """Input not read from a cache, plus output; re-sent context that a cache served does not count."""
    cost_usd: float | None = Field(default=5.0, gt=0)
    seconds: int | None = Field(default=None, ge=1)
    """Wall time since the start, waits for people and providers not counted."""
    verify_rounds: int = Field(default=3, ge=1, le=20)
    """How often failures of the verify commands go back to the model."""


class Spent(Value):
    """What a run has used so far, in the units of `Limits`."""

    turns: int = 0
    tokens: int = 0
    cost_usd: float = 0.0
    seconds: float = 0.0

    def plus(self, other: "Spent") -> "Spent":
        return Spent(
            turns=self.turns + other.turns,
            tokens=self.tokens + other.tokens,
            cost_usd=self.cost_usd + other.cost_usd,
            seconds=self.seconds + other.seconds,
        )

    def without(self, other: "Spent") -> "Spent":
        """What would have been used without `other`, which is part of it."""
        return Spent(
            turns=self.turns - other.turns,
            tokens=self.tokens - other.tokens,
            cost_usd=max(0.0, self.cost_usd - other.cost_usd),
            seconds=max(0.0, self.seconds - other.seconds),
        )


def reached(limits: Limits, spent: Spent, reserve_turns: int = 0) -> str | None:
    """The name of the first limit that is used up, counting `reserve_turns` as spent already."""
    if limits.turns is not None and spent.turns + reserve_turns >= limits.turns:
        return "turns"
    if limits.tokens is not None and spent.tokens >= limits.tokens:
        return "tokens"
    if limits.cost_usd is not None and spent.cost_usd >= limits.cost_usd:
        return "cost_usd"
    if limits.seconds is not None and spent.seconds >= limits.seconds:
        return "seconds"
    return None


def nearly_reached(limits: Limits, spent: Spent) -> bool:
    """True when it is time to wrap up: one turn left, or nine tenths of another limit used."""
    used = [
        spent.tokens / limits.tokens if limits.tokens else 0,
        spent.cost_usd / limits.cost_usd if limits.cost_usd else 0,
        spent.seconds / limits.seconds if limits.seconds else 0,
    ]
    return reached(limits, spent, reserve_turns=1) is not None or max(used) >= 0.9


def raised(limits: Limits, name: str, edited: Mapping[str, object] | None) -> Limits:
    """The limits as a person set them, or the one that was reached doubled where they only said yes."""
    if edited:
        return Limits.model_validate(limits.model_dump() | dict(edited))
    return limits.model_copy(update={name: getattr(limits, name) * 2})
