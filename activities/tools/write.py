"""`write`: a whole file."""

from pydantic import Field

from activities.tools.contract import Arguments, Tool, ToolContext, ToolOutcome, said
from activities.tools.files import read_whole, refuse_hidden, write_whole
from domain.errors import ModelMistake
from domain.secrets import replacements
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
    if replacements(arguments.content):
        refuse_hidden(await _standing(context, arguments.path), arguments.content, arguments.path)
    await write_whole(context, arguments.path, arguments.content)
    lines = len(arguments.content.splitlines())
    return said(f"Wrote {arguments.path}: {lines} {'line' if lines == 1 else 'lines'}.")


async def _standing(context: ToolContext, path: str) -> str:
    """The text that is there; nothing where there is none that could be read."""
    try:
        return (await read_whole(context, path)).text
    except ModelMistake:
        return ""


WRITE_TOOL = Tool(
    definition=ToolDefinition(name="write", tool_class="write", subject="path"),
    description=DESCRIPTION,
    arguments=WriteArguments,
    run=run,
)
