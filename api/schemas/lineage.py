"""Where runs come from, and which come from them."""

from pydantic import Field

from api.schemas.value import RUN_ID, View
from domain.run import RunStatus, WaitingFor


class LineageView(View):
    """Where a run branched off another one. What it used before that is the parent's, and counts against its limits."""

    parent: str = Field(examples=[RUN_ID])
    at: str = Field(description="The point of the parent", examples=["turn/12/call/0"])
    root: str = Field(description="The run that all these forks come from", examples=[RUN_ID])
    snapshot_id: str = Field(description="Of the files that it began with")
    turns: int = Field(description="Used before it")
    cost_usd: float = Field(description="Used before it")
    race: str | None = Field(description="Of the runs of a race, the first whose checks pass is kept")
    replaces: bool = Field(description="Whether it is a rewind, which took the parent's place")


class ChildOfView(View):
    """The run whose agent started this one. It works on a fork of that run's files, and on its account."""

    parent: str = Field(examples=[RUN_ID])
    call: str = Field(description="The call that asked for it", examples=["turn/12/call/0"])
    root: str = Field(description="The run that people started", examples=[RUN_ID])
    depth: int = Field(description="1 where the parent is that run")
    snapshot_id: str = Field(description="Of the files that it began with")


class ChildView(View):
    id: str = Field(examples=[RUN_ID])
    call: str = Field(examples=["turn/12/call/0"])
    agent: str
    title: str = Field(description="Its task's first line")
    status: RunStatus
    waiting_for: WaitingFor | None
    waiting_reason: str
    url: str
