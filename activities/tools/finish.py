"""`finish`: the first call shows the whole change and a checklist, the second one ends the work."""

from pydantic import Field

from activities.tools.contract import Arguments, Tool, ToolContext, ToolOutcome, said
from activities.tools.files import script
from activities.tools.output import readable
from domain.tool import ToolDefinition, ToolResult

STAT_LINES = 60
DIFF_BYTES = 10_000
NO_CHANGE = 3
# A git directory of its own: the agent's may be wrecked, or have commits in it. Nothing of it is left behind.
CHANGES = f"""
set -e
scratch=$(mktemp -d /dev/shm/perdure.XXXXXX 2>/dev/null || mktemp -d /tmp/.perdure.XXXXXX)
trap 'rm -rf "$scratch"' EXIT
export GIT_DIR=$scratch/git GIT_WORK_TREE=$PWD GIT_INDEX_FILE=$scratch/index
export GIT_CONFIG_GLOBAL=/dev/null GIT_CONFIG_NOSYSTEM=1
git init --quiet --template=
mkdir -p "$GIT_DIR/objects/info"
[ ! -d /mirror/objects ] || echo /mirror/objects >"$GIT_DIR/objects/info/alternates"
base=$1
[ "$base" != empty ] || base=$(git hash-object -t tree -w --stdin </dev/null)
git rev-parse --quiet --verify "$base^{{tree}}" >/dev/null || {{ echo "commit $base is not here" >&2; exit 1; }}
git -c core.safecrlf=false add --all --ignore-errors . >/dev/null 2>&1 || :
if git diff --cached --quiet "$base" --; then exit {NO_CHANGE}; fi
git -c core.quotePath=false diff --cached --stat=120 "$base" -- | tail -n {STAT_LINES}
echo
git -c core.quotePath=false diff --cached --no-ext-diff --no-textconv "$base" -- | head -c {DIFF_BYTES + 1}
"""

DESCRIPTION = """\
Ends the work. The first call answers with the whole change and a checklist and does not end it: go through both, \
mend what is not right, then call it again."""

CHECKLIST = """\
Go through this list honestly before you call `finish` again:
- Does the change do all of the task, and nothing else?
- Have you run the reproduction and the tests of what you touched, after your last edit, and read their output?
- Is there a test that would fail without the change, where the project has tests?
- Are scratch files, debug output and stray edits gone? Does every changed file belong to the work?
- Are there secrets, absolute paths of this machine, or generated files in it?
- Does the summary say what was changed and why, how it was checked, and what is left open?"""


class FinishArguments(Arguments):
    summary: str = Field(min_length=1, max_length=20_000)
    """What was changed and why, how it was checked, and what is left open."""


async def run(arguments: FinishArguments, context: ToolContext) -> ToolOutcome:
    if not context.first_finish:
        return ToolOutcome(ToolResult(text=arguments.summary), finished=True)
    return said(f"Not ended yet. {await _changes(context)}\n\n{CHECKLIST}")


async def _changes(context: ToolContext) -> str:
    result = await script(context, CHANGES, context.base_commit, keep_bytes=4 * DIFF_BYTES)
    if result.exit_code == NO_CHANGE:
        return (
            "Nothing in /workspace differs from where the run began. If the task asks for a change, it is not done; if "
            "it asks for an answer, give it in the summary."
        )
    if result.exit_code or result.ended != "exited":
        why = readable(result.error).strip()[-500:]
        return f"The change could not be shown ({why or result.ended}); look at it with git in `bash`."
    stat, _, diff = (result.head + result.tail).partition(b"\n\n")
    shown = readable(diff[:DIFF_BYTES]).rstrip("\n")
    if len(diff) > DIFF_BYTES:
        shown += "\n[the rest of the diff is left out; look at it with git in `bash`]"
    return f"This is the whole change against where the run began:\n\n{readable(stat)}\n\n{shown}"


FINISH = Tool(
    definition=ToolDefinition(name="finish", tool_class="write", subject="summary", ends_phase=True),
    description=DESCRIPTION,
    arguments=FinishArguments,
    run=run,
)
