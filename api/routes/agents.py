"""The agent kinds."""

from fastapi import APIRouter

from api.auth import Reader
from api.openapi import problems
from api.parts import ApiParts, Parts
from api.schemas.catalogue import AgentView
from api.schemas.value import Page
from api.standing import shown
from domain.agent import AgentDefinition
from domain.agents import AGENTS
from domain.errors import NotFound

router = APIRouter(prefix="/agents", tags=["catalogue"])


@router.get("", response_model=Page[AgentView])
async def list_agents(parts: Parts, _: Reader) -> Page[AgentView]:
    """With the whole prompts that they work by."""
    return Page[AgentView](items=[_view(agent, parts) for agent in AGENTS.values()])


@router.get("/{name}", response_model=AgentView, responses=problems(404))
async def get_agent(name: str, parts: Parts, _: Reader) -> AgentView:
    if name not in AGENTS:
        raise NotFound(f"There is no agent {name[:100]!r}", f"There are: {', '.join(sorted(AGENTS))}.")
    return _view(AGENTS[name], parts)


def _view(agent: AgentDefinition, parts: ApiParts) -> AgentView:
    return AgentView(
        name=agent.name,
        summary=agent.summary,
        instructions=parts.prompts.instructions(agent.instructions),
        tools=list(agent.tools),
        tool_policy=agent.tool_policy.name,
        model=agent.model,
        limits=shown(agent.limits),
        max_output_tokens=agent.max_output_tokens,
    )
