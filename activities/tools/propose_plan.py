"""`propose_plan`: ends the planning phase."""

from pydantic import Field

from activities.tools.contract import Arguments, Tool, ToolContext, ToolOutcome
from domain.approval import Plan, PlanStep
from domain.tool import ToolDefinition, ToolResult

DESCRIPTION = """\
Proposes the plan and ends the planning. A person may edit it; then another engineer carries it out, who knows only \
the task and this plan."""


class PlannedStep(Arguments):
    title: str = Field(min_length=1, max_length=300)
    """What is done in this step."""
    detail: str = Field(default="", max_length=4000)
    """Files, functions and commands that it is about, and how it is checked."""


class ProposePlanArguments(Arguments):
    summary: str = Field(min_length=1, max_length=4000)
    """What is wrong or wanted, its cause, and the approach."""
    steps: tuple[PlannedStep, ...] = Field(min_length=1, max_length=50)
    """In order; the last ones verify the work."""
    risks: tuple[str, ...] = Field(default=(), max_length=20)
    """What could break, what is not known, what was assumed."""


async def run(arguments: ProposePlanArguments, _context: ToolContext) -> ToolOutcome:
    steps = tuple(PlanStep(title=step.title, detail=step.detail) for step in arguments.steps)
    plan = Plan(summary=arguments.summary, steps=steps, risks=arguments.risks)
    return ToolOutcome(ToolResult(text="The plan is proposed."), plan=plan, finished=True)


PROPOSE_PLAN = Tool(
    definition=ToolDefinition(name="propose_plan", tool_class="write", subject="summary", ends_phase=True),
    description=DESCRIPTION,
    arguments=ProposePlanArguments,
    run=run,
)
