"""`bash`: everything that runs."""

from pydantic import Field

from activities.tools.contract import Arguments, Tool, ToolContext, ToolOutcome
from activities.tools.output import SHOWN_BYTES, shown
from activities.tools.shell import WRAPPER, kept, variables
from domain.errors import ModelMistake
from domain.sandbox import WORKSPACE_PATH
from domain.tool import ToolDefinition, ToolResult

COMMAND_BYTES = 100_000
"""Less than Linux takes for one argument of a program."""

DESCRIPTION = """\
Runs a command with bash and answers with its output (standard error included) and exit code.

Every call is a fresh shell: no terminal, no input, no network but the hosts that you are told of, if any. \
The working directory and exported variables are \
kept for the next call; shell functions, aliases, unexported variables, `set` options and background processes are \
not. A command that takes longer than `timeout_seconds` is killed with all that it started; what it changed in \
files stays. Long output is cut in the middle, and the answer names a file that has all of it. Files outside of \
/workspace, /home/agent and /tmp cannot be changed. The rename call on a directory that was there at the start \
fails with EXDEV: `mv`, `git mv` and `shutil.move` copy it instead, `os.rename` does not. Where a command reaches the \
network, it may happen to be run a second time after a breakdown, with its changes to files undone and what it sent \
not: change nothing out there that cannot be done twice."""


class BashArguments(Arguments):
    command: str = Field(min_length=1)
    """The command or script. Combine steps that belong together with &&."""
    timeout_seconds: int = Field(default=120, ge=1, le=3600)
    """After how many seconds it is killed."""


async def run(arguments: BashArguments, context: ToolContext) -> ToolOutcome:
    if "\0" in arguments.command:
        raise ModelMistake("`command` has a NUL character, which no command can have.")
    if len(arguments.command.encode()) > COMMAND_BYTES:
        raise ModelMistake(
            f"`command` is longer than {COMMAND_BYTES:,} bytes. Write it to a file with `write` and run that."
        )
    seconds = min(arguments.timeout_seconds, context.longest_seconds)
    result = await context.run(
        ["bash", "--noprofile", "--norc", "-c", WRAPPER, "bash", context.cwd, arguments.command],
        cwd=WORKSPACE_PATH,
        environment=variables(context),
        timeout_seconds=seconds,
        keep_bytes=SHOWN_BYTES,
        spool=True,
        report=True,
    )
    path, address = await context.output_note() or (None, None)
    after = kept(result, context)
    text = shown(result, path, seconds) + (f"\n[{after.note}]" if after.note else "")
    failed = result.ended != "exited"
    return ToolOutcome(
        ToolResult(text=text, is_error=failed, output_ref=address, exit_code=result.exit_code),
        cwd=after.cwd,
        environment=after.environment,
    )


BASH = Tool(
    definition=ToolDefinition(name="bash", tool_class="write", subject="command"),
    description=DESCRIPTION,
    arguments=BashArguments,
    run=run,
    networked=True,
)
