"""The shell that every `bash` call gets, and what of it is kept for the next one."""

import re
from dataclasses import dataclass

from activities.tools.contract import ToolContext
from domain.sandbox import CommandResult

HYGIENE = {
    "CI": "1",
    "NO_COLOR": "1",
    "PAGER": "cat",
    "MANPAGER": "cat",
    "LESS": "-FRX",
    "EDITOR": "true",
    "VISUAL": "true",
    "GIT_EDITOR": "true",
    "GIT_SEQUENCE_EDITOR": "true",
    "GIT_PAGER": "cat",
    "GIT_TERMINAL_PROMPT": "0",
    "DEBIAN_FRONTEND": "noninteractive",
    "PIP_PROGRESS_BAR": "off",
    "PIP_NO_INPUT": "1",
    "PIP_DISABLE_PIP_VERSION_CHECK": "1",
    "TQDM_DISABLE": "1",
    "PYTHONUNBUFFERED": "1",
    "NPM_CONFIG_FUND": "false",
    "NPM_CONFIG_AUDIT": "false",
    "NPM_CONFIG_PROGRESS": "false",
    "CARGO_TERM_PROGRESS_WHEN": "never",
}
"""Each stands for a program that would wait for a key, draw a bar or start a pager."""

# $1: working directory, $2: what the model wrote. Descriptor 3 moves out of the way of scripts that use it.
WRAPPER = """
exec 57>&3 3>&-
cd -- "$1" 2>/dev/null || { cd /workspace 2>/dev/null || cd /; echo "[$1 is gone; now in $PWD]"; }
trap '{ printf "%s\\0" "$PWD"; /usr/bin/env -0; printf "PERDURE_END=1\\0"; } >&57' EXIT
__perdure_script=$2
set --
eval "$__perdure_script"
"""

NEVER_KEPT = re.compile(
    r"(LD_|DYLD_|GIT_|BASH|SHELLOPTS$|ENV$|IFS$|PS[0-4]$|PROMPT_|PWD$|OLDPWD$|SHLVL$|_$|PERDURE_|__perdure_)"
)
"""They change how programs load, how shells start or how git acts, unseen and for good; or the shell sets them."""
NAME = re.compile(r"[A-Za-z_][A-Za-z0-9_]*")
KEPT_BYTES = 32 * 1024
LONGEST_PATH = 4096


@dataclass(frozen=True)
class Kept:
    """None: as before the call. `note` says what could not be kept."""

    cwd: str | None = None
    environment: dict[str, str] | None = None
    note: str = ""


def variables(context: ToolContext) -> dict[str, str]:
    return {**HYGIENE, **context.environment}


def kept(result: CommandResult, context: ToolContext) -> Kept:
    """Reads the wrapper's report; a command that was killed, or replaced its shell, leaves none."""
    entries = result.report.split(b"\0")
    if result.ended != "exited" or len(entries) < 3 or entries[-2] != b"PERDURE_END=1":
        return Kept(note="" if len(result.report) < 1024 else "The exported variables are too large and were not kept.")
    cwd = _text(entries[0])
    if cwd is None or len(cwd) > LONGEST_PATH or not cwd.startswith("/"):
        return Kept(note="The working directory has a name that cannot be kept; it is as before.")
    environment = _exported(entries[1:-2], {**context.defaults, **HYGIENE})
    secret = [name for name, value in environment.items() if context.mask.text(f"{name}={value}") != f"{name}={value}"]
    environment = {name: value for name, value in environment.items() if name not in secret}
    note = f"Not kept, as what they hold looks like a secret: {', '.join(secret)}." if secret else ""
    if sum(len(name) + len(value) for name, value in environment.items()) > KEPT_BYTES:
        environment, note = context.environment, "The exported variables are too large and were not kept."
    return Kept(
        cwd=cwd if cwd != context.cwd else None,
        environment=environment if environment != context.environment else None,
        note=note,
    )


def _exported(entries: list[bytes], defaults: dict[str, str]) -> dict[str, str]:
    exported: dict[str, str] = {}
    for entry in entries:
        name, mark, value = (_text(entry) or "").partition("=")
        if not mark or not NAME.fullmatch(name) or NEVER_KEPT.match(name):
            continue
        if defaults.get(name) != value:
            exported[name] = value
    return dict(sorted(exported.items()))


def _text(raw: bytes) -> str | None:
    try:
        return raw.decode()
    except UnicodeDecodeError:
        return None
