"""The bases of what clients send and of what they get."""

from typing import Generic, TypeVar

from pydantic import BaseModel, ConfigDict, Field, model_validator

RUN_ID = "019a3f6e-7c1f-7d00-8000-2b1c5c9f0a11"
"""In examples."""


class Request(BaseModel):
    """Unknown fields are refused, so a misspelt one is never lost."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    @model_validator(mode="before")
    @classmethod
    def refuse_nul(cls, given: object) -> object:
        if _has_nul(given):
            raise ValueError("text may not hold NUL characters (\\u0000)")
        return given


class View(BaseModel):
    """Fields may be added later; clients read what they know."""

    model_config = ConfigDict(frozen=True, json_schema_serialization_defaults_required=True)


Item = TypeVar("Item", bound=View)


class Page(View, Generic[Item]):
    """One page of a list, and where the next one starts."""

    items: list[Item]
    next_cursor: str | None = Field(default=None, description="Send it as `cursor`; null on the last page")


def _has_nul(given: object) -> bool:
    if isinstance(given, str):
        return "\x00" in given
    if isinstance(given, dict):
        return any(_has_nul(part) for pair in given.items() for part in pair)
    return isinstance(given, list) and any(_has_nul(part) for part in given)
