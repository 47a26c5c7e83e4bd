"""`search`: lines that match, in the files that the repository does not ignore."""

from pydantic import Field

from activities.tools.contract import Arguments, Tool, ToolContext, ToolOutcome, said
from activities.tools.files import NOT_THERE, check, resolve, script
from activities.tools.output import readable
from domain.errors import ModelMistake
from domain.tool import ToolDefinition

MOST_MATCHES = 200
LINE_CHARACTERS = 300
FOUND_BYTES = 128 * 1024
WRONG_PATTERN = 72

# $1 path, $2 pattern, $3 and $4 the glob for git and for find, $5 most lines, $6 most bytes. git knows what is ignored.
SEARCH = f"""
[ -e "$1" ] || exit {NOT_THERE}
printf '' | grep -qP -e "$2" || [ $? -le 1 ] || exit {WRONG_PATTERN}
[ ! -d "$1" ] || cd -- "$1" || exit 1
if [ ! -d "$1" ]; then printf '%s\\0' "$1"; else
  git -c core.fsmonitor=false ls-files -z -co --exclude-standard --deduplicate -- ${{3:+":(glob)$3"}} 2>/dev/null ||
    find . -name .git -prune -o -type f ${{3:+-path "./$4"}} -print0
fi | xargs -0 -r grep -nHsIP -D skip -d skip -e "$2" -- | head -n "$5" | head -c "$6"
"""

DESCRIPTION = """\
Searches files for a regular expression (Perl style, one line at a time; (?i) ignores case) and answers with \
path:line:text. Files that the repository ignores and binary files are left out, unless `path` names one."""


class SearchArguments(Arguments):
    pattern: str = Field(min_length=1, max_length=2000)
    """The regular expression."""
    path: str = Field(default=".", min_length=1, max_length=4096)
    """The file or directory to search: absolute, or relative to the working directory."""
    glob: str | None = Field(default=None, min_length=1, max_length=500)
    """Only files whose path matches, such as *.py or src/**/*.ts"""


async def run(arguments: SearchArguments, context: ToolContext) -> ToolOutcome:
    if "\0" in arguments.pattern or "\n" in arguments.pattern or "\0" in (arguments.glob or ""):
        raise ModelMistake("The pattern or glob has a NUL or a line break; matching goes line by line.")
    path = resolve(context, arguments.path)
    glob = _anywhere(arguments.glob) if arguments.glob else ""
    limits = (str(MOST_MATCHES + 1), str(FOUND_BYTES))
    given = (arguments.pattern, glob, _for_find(glob), *limits)
    result = await script(context, SEARCH, path, *given, keep_bytes=2 * FOUND_BYTES)
    if result.exit_code == WRONG_PATTERN:
        raise ModelMistake(f"The pattern is wrong: {readable(result.error).strip().removeprefix('grep: ')}")
    check(result, arguments.path)
    lines = readable(result.head + result.tail).splitlines()
    if not lines:
        return said("No match.")
    shown = [_shown(line, path, arguments.path) for line in lines[:MOST_MATCHES]]
    if len(lines) > MOST_MATCHES or len(result.head + result.tail) >= FOUND_BYTES:
        shown.append(f"[more than {len(shown)} matches; narrow the pattern, the path or the glob]")
    return said("\n".join(shown))


def _anywhere(glob: str) -> str:
    """A bare name is looked for at every depth, as people mean it."""
    glob = glob.removeprefix("./")
    return glob if "/" in glob else f"**/{glob}"


def _for_find(glob: str) -> str:
    """find's * also matches /: near enough where no git is."""
    return glob.replace("**/", "*").replace("**", "*")


def _shown(line: str, searched: str, asked: str) -> str:
    """With the path as the model would write it: below what it asked for."""
    if line.startswith(f"{searched}:"):
        line = asked + line.removeprefix(searched)
    elif asked not in (".", "./"):
        line = f"{asked.rstrip('/')}/{line.removeprefix('./')}"
    line = line.removeprefix("./")
    return line if len(line) <= LINE_CHARACTERS else line[:LINE_CHARACTERS] + "…"


SEARCH_TOOL = Tool(
    definition=ToolDefinition(name="search", tool_class="read", subject="pattern"),
    description=DESCRIPTION,
    arguments=SearchArguments,
    run=run,
)
