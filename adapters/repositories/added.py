"""The lines that work adds, as `git diff-tree -p -U0 --text` shows them."""

import re
from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import IO

HUNK = re.compile(rb"@@ -\d+(?:,(\d+))? \+(\d+)(?:,(\d+))? @@")
QUOTED = re.compile(rb'\\([abtnvfr"\\]|[0-7]{3})')
LINE_COST = 64
"""Bytes of memory that a line costs beside its content: empty ones are not free."""
ESCAPES = dict(zip(b'abtnvfr"\\', b'\a\b\t\n\v\f\r"\\', strict=True))
FLAGS = ("-r", "-p", "-U0", "--text", "--no-renames", "--no-ext-diff", "--no-textconv", "--no-color", "--full-index")


@dataclass
class Added:
    """Lines of one file by their numbers, from 1; without their ends."""

    numbers: list[int] = field(default_factory=list)
    lines: list[bytes] = field(default_factory=list)

    @property
    def text(self) -> str:
        """Latin-1, so that any bytes are text, and as long."""
        return b"\n".join(self.lines).decode("latin-1")


def read_added(diff: IO[bytes], most_bytes: int) -> tuple[dict[str, Added], bool]:
    """By path, with surrogates; and whether that is all, or `most_bytes` of memory were reached."""
    found: dict[str, Added] = {}
    left = most_bytes
    for path, number, line in _lines(diff):
        left -= len(line) + LINE_COST
        if left < 0:
            return found, False
        added = found.setdefault(path, Added())
        added.numbers.append(number)
        added.lines.append(line)
    return found, True


def _lines(diff: IO[bytes]) -> Iterator[tuple[str, int, bytes]]:
    """Hunks are read by their counts: what a file says can look like a header."""
    path, number, removed, added = "", 0, 0, 0
    for line in diff:
        if removed or added:
            if line.startswith(b"-"):
                removed -= 1
            elif line.startswith(b"+"):
                yield path, number, line[1:].removesuffix(b"\n")
                number, added = number + 1, added - 1
        elif line.startswith(b"+++ "):
            path = _path(line[4:])
        elif hunk := HUNK.match(line):
            removed, number, added = int(hunk[1] or 1), int(hunk[2]), int(hunk[3] or 1)


def _path(name: bytes) -> str:
    name = name.removesuffix(b"\n").removesuffix(b"\t")
    if name.startswith(b'"'):
        name = QUOTED.sub(_unescape, name[1:-1])
    return name.removeprefix(b"b/").decode(errors="surrogateescape")


def _unescape(match: re.Match[bytes]) -> bytes:
    said = match[1]
    return bytes([int(said, 8) if len(said) == 3 else ESCAPES[said[0]]])
