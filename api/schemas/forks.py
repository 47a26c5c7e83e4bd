"""Forks as they are asked for and shown."""

from typing import Literal

from pydantic import AliasChoices, ConfigDict, Field

from api.schemas.runs import RUN_ID, LimitsRequest, RunItem
from api.schemas.value import Request, View
from domain.mailbox import MESSAGE_MAX_CHARACTERS

POINT = Field(
    default=None,
    max_length=100,
    description="`turn/12`, after all its calls, or `turn/12/call/0`, after that call; null: the newest committed one",
    examples=["turn/12/call/0"],
)


class VariantRequest(Request):
    """What one attempt begins with, where attempts differ."""

    message: str | None = Field(default=None, min_length=1, max_length=MESSAGE_MAX_CHARACTERS)
    model: str | None = Field(default=None, max_length=200)


class RewindRequest(Request):
    at: str | None = POINT
    message: str | None = Field(
        default=None,
        min_length=1,
        max_length=MESSAGE_MAX_CHARACTERS,
        validation_alias=AliasChoices("message", "task"),
        description="Read before the next answer; calls of the turn that had not returned are then not made",
        examples=["Leave the parser alone; mend the caller."],
    )
    model: str | None = Field(default=None, max_length=200, description="`provider:model`; null: that of the parent")
    limits: LimitsRequest = Field(
        default=LimitsRequest(), description="What is left out is as it was at that point; so is what was spent"
    )


class ForkRequest(RewindRequest):
    """Nothing is required: `{}` forks at the newest point."""

    count: int | None = Field(default=None, ge=1, le=16, description="How many; null: one, or one for each variant")
    keep: Literal["all", "first_verified"] = Field(
        default="all",
        description="`first_verified`: the first whose checks pass is kept and published, the others are cancelled",
    )
    variants: list[VariantRequest] = Field(
        default=[], max_length=16, description="Attempts that differ, in place of `message` and `model`"
    )

    model_config = ConfigDict(
        json_schema_extra={
            "examples": [
                {"at": "turn/12", "message": "Mend the caller instead."},
                {
                    "at": "turn/4",
                    "keep": "first_verified",
                    "variants": [{"message": "Mend the caller."}, {"message": "Mend the parser."}],
                },
            ]
        }
    )


class ForkView(View):
    """The runs that were made; each shows its `lineage`."""

    parent: str = Field(examples=[RUN_ID])
    at: str = Field(examples=["turn/12"])
    race: str | None = Field(description="Of runs of which one is kept")
    runs: list[RunItem]
