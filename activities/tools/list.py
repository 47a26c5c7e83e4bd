"""`list`: what is in a directory."""

from pydantic import Field

from activities.tools.contract import Arguments, Tool, ToolContext, ToolOutcome, said
from activities.tools.files import FORBIDDEN, NOT_THERE, check, resolve, script
from domain.tool import ToolDefinition

MOST_ENTRIES = 500
LISTED_BYTES = 1024 * 1024
ENTRIES = f"""
[ -e "$1" ] || exit {NOT_THERE}
[ -r "$1" ] || exit {FORBIDDEN}
find -H "$1" -mindepth 1 -maxdepth "$2" -printf '%y %s %P -> %l\\0' -name .git -prune | head -c "$3"
"""
FILE = """
[ -d "$1" ] && exit 0
stat -c '%F, %s bytes, mode %a' -- "$1"
"""

DESCRIPTION = """\
Lists a directory: directories end in /, files are followed by their size in bytes, links by their target. What is \
in .git is left out. With `depth` more than 1 also the directories below."""


class ListArguments(Arguments):
    path: str = Field(default=".", min_length=1, max_length=4096)
    """The directory: absolute, or relative to the working directory."""
    depth: int = Field(default=1, ge=1, le=5)
    """How many levels to show."""


async def run(arguments: ListArguments, context: ToolContext) -> ToolOutcome:
    path = resolve(context, arguments.path)
    result = await script(context, ENTRIES, path, str(arguments.depth), str(LISTED_BYTES), keep_bytes=2 * LISTED_BYTES)
    check(result, arguments.path)
    raw = (result.head + result.tail).split(b"\0")[:-1]
    if not raw:
        kind = await script(context, FILE, path)
        return said(f"{arguments.path}: {kind.head.decode(errors='replace').strip() or 'an empty directory'}")
    entries = sorted(_shown(entry) for entry in raw)
    lines = [line for _, line in entries[:MOST_ENTRIES]]
    if len(entries) > MOST_ENTRIES or len(result.head + result.tail) >= LISTED_BYTES:
        lines.append(f"[{MOST_ENTRIES} of {len(entries):,} or more entries; list a directory below it, or use `bash`]")
    return said("\n".join(lines))


def _shown(entry: bytes) -> tuple[list[str], str]:
    """What to sort by, and the line. Names that are not UTF-8 are shown as the shell's $'...' would write them."""
    kind, size, rest = entry.decode(errors="backslashreplace").split(" ", 2)
    name, _, target = rest.rpartition(" -> ")
    shown = name.replace("\n", "\\n")
    if kind == "d":
        return name.split("/"), shown + "/"
    if kind == "l":
        return name.split("/"), f"{shown} -> {target}"
    return name.split("/"), f"{shown}  {size}" if kind == "f" else f"{shown}  (not a regular file)"


LIST = Tool(
    definition=ToolDefinition(name="list", tool_class="read", subject="path"),
    description=DESCRIPTION,
    arguments=ListArguments,
    run=run,
)
