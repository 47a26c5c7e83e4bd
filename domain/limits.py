"""How far a run may go."""

from collections.abc import Mapping

from pydantic import Field

from domain.value import Value

NEARLY = 0.9
"""From this share of a limit on it is time to wrap up."""


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
    children: int = Field(default=4, ge=0, le=16)
    """How many of its children work at a time; without any, none can be started."""
    depth: int = Field(default=1, ge=0, le=3)
    """How deep children may have children: with 1 they have none."""


class Spent(Value):
    """What a run has used up to some point, in the units of `Limits`. Workflows count only time; what holds of the
    others stands in the run's account (domain/account.py)."""

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


def out_of_time(limits: Limits, spent: Spent) -> bool:
    return limits.seconds is not None and spent.seconds >= limits.seconds


def nearly_out_of_time(limits: Limits, spent: Spent) -> bool:
    return limits.seconds is not None and spent.seconds >= limits.seconds * NEARLY


def raised(limits: Limits, name: str, edited: Mapping[str, object] | None) -> Limits:
    """The limits as a person set them, or the one that was reached doubled where they only said yes."""
    if edited:
        return Limits.model_validate(limits.model_dump() | dict(edited))
    return limits.model_copy(update={name: getattr(limits, name) * 2})
