"""Two changes of one text, put together line by line."""

from difflib import SequenceMatcher

MOST_LINES = 20_000
"""Comparing grows with the square of the lines."""

_Hunk = tuple[int, int, list[str]]
"""Lines of the base from, up to, and what stands there instead."""


def merged(base: str, ours: str, theirs: str) -> str | None:
    """None where both changed the same place, or places that touch, in different ways."""
    lines = [text.split("\n") for text in (base, ours, theirs)]
    if max(map(len, lines)) > MOST_LINES:
        return None
    hunks = sorted([*_hunks(lines[0], lines[1]), *_hunks(lines[0], lines[2])], key=lambda hunk: hunk[:2])
    result: list[str] = []
    at = 0
    before: _Hunk | None = None
    for hunk in hunks:
        if before == hunk:
            continue
        if before is not None and hunk[0] <= before[1]:
            return None
        result += [*lines[0][at : hunk[0]], *hunk[2]]
        at, before = hunk[1], hunk
    return "\n".join([*result, *lines[0][at:]])


def _hunks(base: list[str], changed: list[str]) -> list[_Hunk]:
    codes = SequenceMatcher(None, base, changed, autojunk=False).get_opcodes()
    return [(first, last, changed[start:end]) for kind, first, last, start, end in codes if kind != "equal"]
