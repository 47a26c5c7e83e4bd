"""What there is: agents, models, tools; how the server is and what it did."""

from typing import Any, Literal

from pydantic import Field

from api.schemas.runs import LimitsView
from api.schemas.value import View
from domain.tool import ToolClass


class AgentView(View):
    """An agent kind, with the whole prompt that it works by."""

    name: str = Field(examples=["coder"])
    summary: str
    instructions: str
    tools: list[str]
    tool_policy: str
    model: str | None
    limits: LimitsView
    max_output_tokens: int


class PriceView(View):
    """US dollars per million tokens."""

    input: float
    output: float
    cache_read: float
    cache_write: float
    window_tokens: int


class ModelView(View):
    """Where `ready` is false, `remedy` says what to set."""

    name: str = Field(examples=["anthropic:claude-sonnet-4-5"])
    price: PriceView | None
    ready: bool
    remedy: str
    default: bool = Field(description="Whether runs that name no model get this one")


class ToolView(View):
    name: str = Field(examples=["bash"])
    tool_class: ToolClass
    subject: str | None = Field(description="The argument that policies match patterns against")
    ends_phase: bool
    description: str
    arguments: dict[str, Any] = Field(description="JSON schema of its arguments")


class StatsLine(View):
    name: str
    runs: int
    tokens: int
    cost_usd: float


class StatsView(View):
    """Of all runs that the caller may see."""

    runs: int
    tokens: int
    cost_usd: float
    by_status: list[StatsLine]
    by_owner: list[StatsLine]
    by_model: list[StatsLine]


class DependencyView(View):
    """`required` ones make the server unready; without a worker runs are taken in and wait."""

    ok: bool
    required: bool
    detail: str
    next_step: str = ""


class ReadinessView(View):
    status: Literal["ready", "degraded", "unready"]
    checks: dict[str, DependencyView] = Field(description="By name: postgres, temporal, blobs, worker")


class HealthView(View):
    status: Literal["alive"] = "alive"
