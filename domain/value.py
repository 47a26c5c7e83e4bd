"""The base of everything that is said between rooms."""

from pydantic import BaseModel, ConfigDict


class Value(BaseModel):
    """An immutable value; unknown fields are refused, so a misspelt one is never lost."""

    model_config = ConfigDict(frozen=True, extra="forbid")
