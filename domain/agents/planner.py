"""Looks, and says what is to be done."""

from domain.agent import AgentDefinition
from domain.limits import Limits
from domain.policies import POLICIES

PLANNER = AgentDefinition(
    name="planner",
    summary="Looks at the code and proposes a plan; changes nothing.",
    instructions="planner",
    tools=("bash", "read", "search", "list", "ask_human", "propose_plan"),
    tool_policy=POLICIES["default"],
    limits=Limits(turns=40),
)
