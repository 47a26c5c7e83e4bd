"""`edit`: one exact replacement."""

from pydantic import Field

from activities.tools.contract import Arguments, Tool, ToolContext, ToolOutcome, said
from activities.tools.files import read_whole, refuse_hidden, write_whole
from activities.tools.replacing import replaced
from domain.secrets import Mask
from domain.tool import ToolDefinition

AROUND_LINES = 3
SHOWN_LINES = 40

DESCRIPTION = """\
Replaces text in a file. `old` must occur exactly once (or set `replace_all`) and match to the character, \
indentation included: copy it from the file without the line numbers, with a few lines around it. If it does not \
occur, the answer shows what is nearest to it."""


class EditArguments(Arguments):
    path: str = Field(min_length=1, max_length=4096)
    """The file: absolute, or relative to the working directory."""
    old: str
    """The text to replace."""
    new: str
    """What stands there afterwards; empty deletes `old`."""
    replace_all: bool = False
    """Replace every occurrence."""


async def run(arguments: EditArguments, context: ToolContext) -> ToolOutcome:
    file = await read_whole(context, arguments.path)
    refuse_hidden(file.text, arguments.old, arguments.path)
    text, count = replaced(file.text, arguments.old, arguments.new, arguments.path, arguments.replace_all)
    refuse_hidden(file.text, text, arguments.path)
    await write_whole(context, file.path, text)
    if count > 1:
        return said(f"{arguments.path}: replaced in {count} places.")
    return said(f"{arguments.path} now reads:\n{_around(file.text, text, context.mask)}")


def _around(before: str, after: str, mask: Mask) -> str:
    """The lines that changed, and a few around them."""
    old, new = before.splitlines(), after.splitlines()
    first = next((n for n, (a, b) in enumerate(zip(old, new, strict=False)) if a != b), min(len(old), len(new)))
    same_end = 0
    while same_end < min(len(old), len(new)) - first and old[-1 - same_end] == new[-1 - same_end]:
        same_end += 1
    start, end = max(0, first - AROUND_LINES), min(len(new), len(new) - same_end + AROUND_LINES)
    shown = mask.text("\n".join(new[start:end])).split("\n")
    lines = [f"{number:6}\t{line[:300]}" for number, line in enumerate(shown, start + 1)]
    return "\n".join(lines[:SHOWN_LINES] + (["…"] if len(lines) > SHOWN_LINES else []))


EDIT = Tool(
    definition=ToolDefinition(name="edit", tool_class="write", subject="path"),
    description=DESCRIPTION,
    arguments=EditArguments,
    run=run,
)
