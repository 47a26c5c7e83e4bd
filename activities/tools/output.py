"""What a model reads of a command's output: its head and its tail, and in words how it ended."""

import math
import re

from domain.sandbox import CommandResult

SHOWN_BYTES = 10_000
"""Head and tail together."""

ESCAPES = re.compile(r"\x1b(\[[0-?]*[ -/]*[@-~]|\][^\x07\x1b]*(\x07|\x1b\\)|[@-Z\\-_])")
UNPRINTABLE = re.compile(r"[\x00-\x08\x0b\x0c\x0e-\x1f\x7f]")

ENDINGS = {
    "output_limit": "The command printed more than is allowed and was killed.",
    "disk_limit": "The command put more on the disk than is allowed and was killed. What it wrote is still there.",
    "out_of_memory": "The command used more memory than is allowed and was killed.",
    "cancelled": "The command was cancelled.",
}


def readable(raw: bytes) -> str:
    """Text without terminal escapes and control characters; bytes that are no UTF-8 are shown as U+FFFD."""
    text = ESCAPES.sub("", raw.decode(errors="replace")).replace("\r\n", "\n")
    return UNPRINTABLE.sub("\N{REPLACEMENT CHARACTER}", text)


def shown(result: CommandResult, whole: str | None, timeout_seconds: float) -> str:
    """`whole` is where all of the output can be read, if it was cut."""
    parts = [printed(result, whole)]
    if ending := how_it_ended(result, timeout_seconds):
        parts.append(f"[{ending}]")
    return "\n".join(part for part in parts if part)


def printed(result: CommandResult, whole: str | None) -> str:
    if not result.cut:
        return readable(result.head + result.tail).rstrip("\n") or "(no output)"
    head, tail = _whole_characters(result.head, result.tail)
    left_out = result.output_bytes - len(head) - len(tail)
    end = readable(tail).rstrip("\n")
    where = f"; all of it is in {whole}" if whole else ""
    return f"{readable(head)}\n[{left_out:,} of {result.output_bytes:,} bytes left out here{where}]\n{end}"


def how_it_ended(result: CommandResult, timeout_seconds: float) -> str:
    if result.ended == "timed_out":
        lasted = math.floor(result.seconds)
        # The run's own limit may be lower than what was asked for.
        longest = lasted if 0 < lasted < timeout_seconds else timeout_seconds
        longer = "No command of this run may take longer"
        if longest == timeout_seconds:
            longer = "If it needs longer, give `timeout_seconds`"
        return (
            f"The command was killed with all that it had started, as it took longer than {longest:g} s. Working "
            f"directory and variables are as before it. {longer}; if it waits for "
            "input, run it without."
        )
    if result.ended != "exited":
        return ENDINGS[result.ended]
    if result.exit_code > 128:
        return f"exit code {result.exit_code}: killed by signal {result.exit_code - 128}"
    return f"exit code {result.exit_code}" if result.exit_code else ""


def _whole_characters(head: bytes, tail: bytes) -> tuple[bytes, bytes]:
    """A cut within a character would show as damage: the halves of it are left out."""
    start = 0
    while start < min(3, len(tail)) and tail[start] & 0xC0 == 0x80:
        start += 1
    end = len(head)
    for back in range(1, min(4, len(head)) + 1):
        byte = head[-back]
        if byte & 0xC0 == 0x80:
            continue
        width = 4 if byte >= 0xF0 else 3 if byte >= 0xE0 else 2 if byte >= 0xC0 else 1
        end = len(head) - back if width > back else len(head)
        break
    return head[:end], tail[start:]
