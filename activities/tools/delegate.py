"""`delegate`: a part of the task is given to a run of its own. The workflow starts it."""

from pydantic import Field

from activities.tools.contract import Arguments, Tool, ToolContext, ToolOutcome, said
from domain.tool import DELEGATE as NAME
from domain.tool import ToolDefinition

DESCRIPTION = """\
Gives a part of your task to another agent, which works on a copy of your files as they are now, and waits until it \
has finished. What it changed in /workspace is then laid over yours, and its report is the result; where it does not \
fit, or where it failed, nothing of it is applied and you are told. Several of these calls in one turn work side by \
side. The other agent knows nothing of this conversation: say all that it needs to know, what it is to leave alone, \
and what to report. Worth it for a part that stands on its own and is large; a small one is done sooner by yourself."""


class DelegateArguments(Arguments):
    agent: str = Field(min_length=1, max_length=100)
    """Which kind: `coder` changes code, `reviewer` looks for faults in what was changed."""
    task: str = Field(min_length=1, max_length=50_000)
    """What it is to do, all of it."""


async def run(_arguments: DelegateArguments, _context: ToolContext) -> ToolOutcome:
    return said("No other agent can be started here.", is_error=True)


DELEGATE = Tool(
    definition=ToolDefinition(name=NAME, tool_class="write", subject="task"),
    description=DESCRIPTION,
    arguments=DelegateArguments,
    run=run,
)
