"""`write`: a whole file."""

from pydantic import Field

from activities.tools.contract import Arguments, Tool, ToolContext, ToolOutcome, said
from activities.tools.files import write_whole
from domain.tool import ToolDefinition

DESCRIPTION = """\
Writes a whole file, new or in place of what was there; missing directories are made. An existing file keeps its \
mode. Use `edit` for changes to a part."""


class WriteArguments(Arguments):
    path: str = Field(min_length=1, max_length=4096)
    """The file: absolute, or relative to the working directory."""
    content: str
    """All of it."""


async def run(arguments: WriteArguments, context: ToolContext) -> ToolOutcome:
    await write_whole(context, arguments.path, arguments.content)
    lines = len(arguments.content.splitlines())
    return said(f"Wrote {arguments.path}: {lines} {'line' if lines == 1 else 'lines'}.")


WRITE_TOOL = Tool(
    definition=ToolDefinition(name="write", tool_class="write", subject="path"),
    description=DESCRIPTION,
    arguments=WriteArguments,
    run=run,
)
