"""The agent kinds by name."""

from domain.agent import AgentDefinition
from domain.agents.coder import CODER
from domain.agents.planner import PLANNER
from domain.agents.reviewer import REVIEWER

AGENTS: dict[str, AgentDefinition] = {agent.name: agent for agent in (CODER, PLANNER, REVIEWER)}
