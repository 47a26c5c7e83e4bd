"""Pull requests as they are asked for and shown."""

from typing import Annotated, Literal

from pydantic import Field

from api.schemas.value import Request, View
from domain.pull_request import Label, Login

REFUSED = r"^[^\x00-\x1f\x7f]*$"


class PullRequestRequest(Request):
    """Of a run that publishes a `pull_request`."""

    title: str = Field(default="", max_length=256, pattern=REFUSED, description="Empty: the task's first line")
    base: Annotated[str, Field(min_length=1, max_length=250)] | None = Field(
        default=None, description="The branch to merge into; null: the one that the run began at, or the default branch"
    )
    labels: list[Label] = Field(default=[], max_length=20, description="Those that are new are made")
    reviewers: list[Login] = Field(default=[], max_length=15, description="User names")
    team_reviewers: list[Login] = Field(default=[], max_length=15, description="Short names of teams")


class PullRequestView(View):
    number: int
    url: str
    head: str = Field(description="Its branch")
    base: str = Field(description="The branch that it is to be merged into")
    draft: bool = Field(description="It is one until the verify commands have passed")
    state: Literal["open", "closed"] = Field(description="When it was opened or found")
    notes: list[str] = Field(description="What of it could not be had, such as reviewers who are no collaborators")
