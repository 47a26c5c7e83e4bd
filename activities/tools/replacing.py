"""Exact replacement in a text, and what is nearest to a text that is not there. Pure."""

from collections.abc import Sequence
from difflib import SequenceMatcher

from domain.errors import ModelMistake

NEAREST = 3
LEAST_LIKE = 0.6
COMPARED_LINES = 20_000
COMPARED_CHARACTERS = 4_000
SHOWN_PLACES = 10
SHOWN_LINES = 12


def replaced(text: str, old: str, new: str, path: str, replace_all: bool = False) -> tuple[str, int]:
    """The text after it, and how many places changed. Raises ModelMistake where `old` does not name one place."""
    if not old:
        raise ModelMistake("`old` is empty. To make a new file use `write`.")
    if old == new:
        raise ModelMistake("`old` and `new` are the same: nothing would change.")
    count = text.count(old)
    if count == 0 and "\r\n" in text and "\r\n" not in old and "\n" in old:
        old, new = old.replace("\n", "\r\n"), new.replace("\n", "\r\n")
        count = text.count(old)
    if count == 0:
        raise ModelMistake(_missed(text, old, path))
    if count > 1 and not replace_all:
        places = [text.count("\n", 0, start) + 1 for start in _starts(text, old)]
        listed = ", ".join(str(place) for place in places[:SHOWN_PLACES]) + (", …" if count > SHOWN_PLACES else "")
        raise ModelMistake(
            f"`old` occurs {count} times in {path}, at lines {listed}. Take in more of the lines around it, so that it "
            "is unique, or set `replace_all`."
        )
    return text.replace(old, new), count


def _starts(text: str, part: str) -> list[int]:
    starts: list[int] = []
    at = text.find(part)
    while at >= 0:
        starts.append(at)
        at = text.find(part, at + len(part))
    return starts


def _missed(text: str, old: str, path: str) -> str:
    places = nearest(text.splitlines(), old.splitlines())
    if not places:
        return f"`old` does not occur in {path}, and nothing there is like it. Read the file again."
    wanted = [line.strip() for line in old.splitlines()]
    parts = [f"`old` does not occur in {path}. Nearest:"]
    lines = text.splitlines()
    for likeness, start, end in places:
        found = lines[start:end]
        same = [line.strip() for line in found] == wanted
        how = "the same but for white space" if same else f"{likeness:.0%} alike"
        parts.append(f"lines {start + 1} to {end}, {how}:\n" + _cut(found))
    return "\n".join([*parts, "Copy `old` exactly from the file, without line numbers."])


def nearest(lines: Sequence[str], wanted: Sequence[str]) -> list[tuple[float, int, int]]:
    """(likeness 0 to 1, start, end) of the stretches of `lines` most like `wanted`, best first, none overlapping."""
    wanted = [line.strip() for line in wanted if line.strip()]
    if not wanted or not lines:
        return []
    stripped = [line.strip() for line in lines[:COMPARED_LINES]]
    size, target = len(wanted), "\n".join(wanted)[:COMPARED_CHARACTERS]
    known = set(wanted)
    shared = [sum(line in known for line in stripped[start : start + size]) for start in _windows(stripped, size)]
    starts = sorted(range(len(shared)), key=lambda start: -shared[start])
    candidates = starts[:20] if shared and max(shared) else _by_first_line(stripped, wanted[0])
    scored = []
    for start in candidates:
        window = "\n".join(stripped[start : start + size])[:COMPARED_CHARACTERS]
        scored.append((SequenceMatcher(None, target, window, autojunk=False).ratio(), start))
    chosen: list[tuple[float, int, int]] = []
    for likeness, start in sorted(scored, key=lambda one: (-one[0], one[1])):
        overlaps = any(start < end and begin < start + size for _, begin, end in chosen)
        if likeness >= LEAST_LIKE and not overlaps and len(chosen) < NEAREST:
            chosen.append((likeness, start, min(start + size, len(stripped))))
    return chosen


def _windows(lines: Sequence[str], size: int) -> range:
    return range(max(1, len(lines) - size + 1))


def _by_first_line(lines: Sequence[str], first: str) -> list[int]:
    """Where a line is most like the first one wanted; the cheap bounds spare most comparisons."""
    matcher = SequenceMatcher(autojunk=False)
    matcher.set_seq2(first[:400])
    scored = []
    for number, line in enumerate(lines):
        matcher.set_seq1(line[:400])
        if matcher.real_quick_ratio() >= LEAST_LIKE and matcher.quick_ratio() >= LEAST_LIKE:
            scored.append((matcher.quick_ratio(), number))
    return [number for _, number in sorted(scored, key=lambda one: (-one[0], one[1]))[:20]]


def _cut(lines: Sequence[str]) -> str:
    shown = [line[:300] for line in lines[:SHOWN_LINES]]
    return "\n".join([*shown, "…"] if len(lines) > SHOWN_LINES else shown)
