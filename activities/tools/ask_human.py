"""`ask_human`: a question to a person. The workflow makes it an approval; nothing runs here."""

from pydantic import Field

from activities.tools.contract import Arguments, Tool, ToolContext, ToolOutcome, said
from domain.tool import ToolDefinition

DESCRIPTION = """\
Asks a person and waits for the answer, which may take long. Only where you cannot decide and a wrong guess would \
waste the work or do harm. Put all that is needed to answer into the question."""


class AskHumanArguments(Arguments):
    question: str = Field(min_length=1, max_length=10_000)
    """What you need to know, and why."""
    options: tuple[str, ...] = Field(default=(), max_length=10)
    """Answers to choose from, if there are such."""


async def run(_arguments: AskHumanArguments, _context: ToolContext) -> ToolOutcome:
    return said("No person could be asked. Decide yourself, and say in your summary what you assumed.", is_error=True)


ASK_HUMAN = Tool(
    definition=ToolDefinition(name="ask_human", tool_class="human", subject="question"),
    description=DESCRIPTION,
    arguments=AskHumanArguments,
    run=run,
)
