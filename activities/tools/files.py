"""Reading and writing files where the agent's commands see them: only ever inside the sandbox."""

import posixpath
from collections import Counter
from dataclasses import dataclass

from activities.tools.contract import ToolContext
from activities.tools.output import readable
from domain.errors import ModelMistake
from domain.sandbox import WORKSPACE_PATH, CommandResult
from domain.secrets import replacements

WHOLE_BYTES = 2 * 1024 * 1024
"""The largest file that `edit` and `apply_patch` take."""
NOT_THERE, DIRECTORY, SPECIAL, FORBIDDEN, TOO_LARGE, EXISTS = 66, 67, 68, 69, 70, 71
PLAIN = {"LC_ALL": "C"}
"""Tools of ours do not depend on what the agent has exported."""

# Each begins with what `$1` must be; a fifo or a device would never end.
CHECKED = f"""
f=$1
[ -e "$f" ] || exit {NOT_THERE}
[ -d "$f" ] && exit {DIRECTORY}
[ -f "$f" ] || exit {SPECIAL}
[ -r "$f" ] || exit {FORBIDDEN}
"""
READ_WHOLE = CHECKED + f'[ "$(wc -c <"$f")" -le "$2" ] || exit {TOO_LARGE}\nexec cat -- "$f"'
WRITE = f"""
f=$1
[ -d "$f" ] && exit {DIRECTORY}
if [ -e "$f" ]; then [ -f "$f" ] || exit {SPECIAL}; [ "$2" = new ] && exit {EXISTS}; fi
case $f in */*) mkdir -p -- "${{f%/*}}" || exit 1 ;; esac
exec cat >"$f"
"""
REMOVE = CHECKED.replace('[ -r "$f" ]', '[ -f "$f" ]') + 'exec rm -f -- "$f"'
MOVE = f"""
{{ [ -e "$2" ] || [ -L "$2" ]; }} && exit {EXISTS}
case $2 in */*) mkdir -p -- "${{2%/*}}" || exit 1 ;; esac
exec mv -- "$1" "$2"
"""


@dataclass(frozen=True)
class TextFile:
    """`path` is absolute; `text` has the line ends of the file."""

    path: str
    text: str


def resolve(context: ToolContext, path: str) -> str:
    """Absolute, as the model's shell would take it. Not checked: the sandbox is what bounds it."""
    if "\0" in path or not path.strip():
        raise ModelMistake("The path is empty or has a NUL character.")
    if path == "~" or path.startswith("~/"):
        path = context.defaults.get("HOME", WORKSPACE_PATH) + path[1:]
    return posixpath.normpath(posixpath.join(context.cwd, path))


async def script(
    context: ToolContext,
    text: str,
    *arguments: str,
    stdin: bytes = b"",
    keep_bytes: int = 64 * 1024,
    exact: bool = False,
) -> CommandResult:
    """Runs shell text of ours, from a directory that is always there."""
    return await context.run(
        ["/bin/sh", "-c", text, "sh", *arguments],
        cwd=WORKSPACE_PATH,
        environment=PLAIN,
        stdin=stdin,
        keep_bytes=keep_bytes,
        split_error=True,
        exact=exact,
    )


async def read_whole(context: ToolContext, path: str) -> TextFile:
    """Raises ModelMistake for what is no text file of bearable size."""
    absolute = resolve(context, path)
    # Exact, as it is written back; what is shown of it is masked.
    result = await script(context, READ_WHOLE, absolute, str(WHOLE_BYTES), keep_bytes=2 * WHOLE_BYTES, exact=True)
    check(result, path)
    return TextFile(absolute, decoded(result.head + result.tail, path))


async def write_whole(context: ToolContext, path: str, text: str, *, new: bool = False) -> None:
    """Keeps the mode of a file that is there; with `new` there must be none."""
    result = await script(context, WRITE, resolve(context, path), "new" if new else "any", stdin=text.encode())
    check(result, path)


def refuse_hidden(before: str, after: str, path: str) -> None:
    """Raises ModelMistake where what stands for a hidden secret would be written in the secret's place."""
    more = Counter(replacements(after)) - Counter(replacements(before))
    if more:
        raise ModelMistake(
            f"Nothing was written: {next(iter(more))} is not what {path} has. It stands for a secret that is hidden "
            "from you, and the file would lose it. Change only the other lines, or use `bash` with a program such as "
            "sed that leaves this one as it is."
        )


async def remove(context: ToolContext, path: str) -> None:
    check(await script(context, REMOVE, resolve(context, path)), path)


async def move(context: ToolContext, path: str, target: str) -> None:
    check(await script(context, MOVE, resolve(context, path), resolve(context, target)), target)


def decoded(content: bytes, path: str) -> str:
    if b"\0" in content:
        raise ModelMistake(f"{path} is a binary file. Use `bash` for it, with programs that know its format.")
    try:
        return content.decode()
    except UnicodeDecodeError as error:
        raise ModelMistake(
            f"{path} is not UTF-8 (byte 0x{content[error.start]:02x} at offset {error.start}). Use `bash` for it, for "
            "example iconv, sed or a Python script that knows its encoding."
        ) from None


def check(result: CommandResult, path: str) -> None:
    reasons = {
        NOT_THERE: f"There is no file {path}.",
        DIRECTORY: f"{path} is a directory. Use `list` to see what is in it.",
        SPECIAL: f"{path} is not a regular file.",
        FORBIDDEN: f"{path} may not be read: permission denied.",
        TOO_LARGE: f"{path} is larger than {WHOLE_BYTES:,} bytes. Use `bash` for it.",
        EXISTS: f"{path} exists already.",
    }
    if result.ended != "exited":
        raise ModelMistake(f"{path} could not be reached: the operation was stopped ({result.ended}).")
    if result.exit_code:
        said = readable(result.error).strip().removeprefix("sh: ")[-500:] or f"exit code {result.exit_code}"
        raise ModelMistake(reasons.get(result.exit_code, f"{path}: {said}"))
