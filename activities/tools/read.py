"""`read`: a part of a file, with line numbers."""

from pydantic import Field

from activities.tools.contract import Arguments, Tool, ToolContext, ToolOutcome, said
from activities.tools.files import CHECKED, check, resolve, script
from activities.tools.output import readable
from domain.errors import ModelMistake
from domain.tool import ToolDefinition

PART_BYTES = 48 * 1024
LINE_CHARACTERS = 2000
# First line: size, number of line ends. Counting stops at 64 MB, so that a huge file answers as soon as a small one.
PART = (
    CHECKED
    + """
printf '%s %s\\n' "$(wc -c <"$f")" "$(head -c 67108864 -- "$f" | wc -l)"
tail -n "+$2" -- "$f" | head -n "$3" | head -c "$4"
"""
)

DESCRIPTION = """\
Reads a text file and answers with its lines, each after its number and a tab; these are not part of the file. \
Reads at most 500 lines unless `limit` says otherwise, and at most 48 KB. Use `offset` to go on where it stopped."""


class ReadArguments(Arguments):
    path: str = Field(min_length=1, max_length=4096)
    """The file: absolute, or relative to the working directory."""
    offset: int = Field(default=1, ge=1)
    """The first line to read, counted from 1."""
    limit: int = Field(default=500, ge=1, le=5000)
    """How many lines to read."""


async def run(arguments: ReadArguments, context: ToolContext) -> ToolOutcome:
    path, first = resolve(context, arguments.path), arguments.offset
    wanted = (str(first), str(arguments.limit), str(PART_BYTES))
    result = await script(context, PART, path, *wanted, keep_bytes=2 * PART_BYTES + 200)
    check(result, arguments.path)
    counts, _, content = (result.head + result.tail).partition(b"\n")
    size, ends = (int(number) for number in counts.split())
    if size == 0 and not content:
        return said(f"{arguments.path} is empty.")
    if b"\0" in content:
        raise ModelMistake(
            f"{arguments.path} is a binary file of {size:,} bytes. Use `bash` and programs that know its format."
        )
    if not content:
        raise ModelMistake(f"{arguments.path} has {_lines(ends)}; line {first} is beyond its end.")
    return said(_numbered(arguments, content, size, ends, result.output_bytes - len(counts) > PART_BYTES))


def _numbered(arguments: ReadArguments, content: bytes, size: int, ends: int, cut: bool) -> str:
    """`cut` is told, since masked content may be shorter or longer than what was read."""
    kept = content[: content.rfind(b"\n") + 1] or content if cut else content
    is_text = _is_utf8(kept, cut)
    lines = readable(kept).removesuffix("\n").split("\n")
    first, last = arguments.offset, arguments.offset + len(lines) - 1
    shown = [f"{number:6}\t{_shortened(line)}" for number, line in enumerate(lines, first)]
    if not is_text:
        shown.append("[not UTF-8: other bytes are shown as \N{REPLACEMENT CHARACTER}; `edit` cannot change this file]")
    if last < ends:
        more = f"{_lines(ends)}, {size:,} bytes"
        shown.append(f"[lines {first} to {last} of {more}; read on with offset {last + 1}]")
    return "\n".join(shown)


def _shortened(line: str) -> str:
    left_out = len(line) - LINE_CHARACTERS
    return line if left_out <= 0 else f"{line[:LINE_CHARACTERS]} [{left_out:,} characters left out]"


def _is_utf8(content: bytes, cut: bool) -> bool:
    try:
        content.decode()
    except UnicodeDecodeError as error:
        return cut and error.start >= len(content) - 3
    return True


def _lines(count: int) -> str:
    return "1 line" if count == 1 else f"{count:,} lines"


READ = Tool(
    definition=ToolDefinition(name="read", tool_class="read", subject="path"),
    description=DESCRIPTION,
    arguments=ReadArguments,
    run=run,
)
