"""Reads what was changed and says what is wrong with it."""

from domain.agent import AgentDefinition
from domain.limits import Limits
from domain.policies import POLICIES

REVIEWER = AgentDefinition(
    name="reviewer",
    summary="Reviews a change, tries it out, and reports its faults; changes nothing.",
    instructions="reviewer",
    tools=("bash", "read", "search", "list", "todo", "ask_human", "finish"),
    tool_policy=POLICIES["default"],
    limits=Limits(turns=60),
)
