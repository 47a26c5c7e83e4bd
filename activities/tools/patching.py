"""Hunks of a patch, applied to a text. Pure."""

from collections.abc import Callable, Sequence

from activities.tools.patch_text import Hunk
from activities.tools.replacing import nearest
from domain.errors import ModelMistake

QUOTES = str.maketrans(
    {
        "\N{LEFT SINGLE QUOTATION MARK}": "'",
        "\N{RIGHT SINGLE QUOTATION MARK}": "'",
        "\N{LEFT DOUBLE QUOTATION MARK}": '"',
        "\N{RIGHT DOUBLE QUOTATION MARK}": '"',
        "\N{EN DASH}": "-",
        "\N{EM DASH}": "-",
        "\N{NO-BREAK SPACE}": " ",
    }
)
# From strict to lenient: models drop white space at line ends, then indentation, then typographic marks.
LIKENESS: tuple[Callable[[str], str], ...] = (
    lambda line: line,
    lambda line: line.rstrip(),
    lambda line: line.strip(),
    lambda line: line.strip().translate(QUOTES),
)


def patched(text: str, hunks: Sequence[Hunk], path: str) -> str:
    """The text after all hunks, in their order. Raises ModelMistake where one does not fit."""
    end = "\r\n" if "\r\n" in text and text.count("\r\n") == text.count("\n") else "\n"
    lines = text.split(end)
    closed = lines[-1] == ""
    if closed:
        lines.pop()
    done: list[str] = []
    for hunk in hunks:
        after_headers = _after_headers(lines, len(done), hunk, path) if hunk.headers else None
        start = _place(lines, done, hunk, after_headers, path)
        done = lines[:start] + list(hunk.new)
        lines = done + lines[start + len(hunk.old) :]
    return end.join(lines) + (end if lines and (closed or not text) else "")


def _place(lines: list[str], done: list[str], hunk: Hunk, after_headers: int | None, path: str) -> int:
    """Where `hunk.old` begins, below what earlier hunks made."""
    begin = len(done) if after_headers is None else after_headers
    if not hunk.old:
        return begin if after_headers is not None and not hunk.at_end else len(lines)
    start = _find(lines, hunk.old, begin, hunk.at_end)
    if start is None and after_headers is not None:
        start = _find(lines, hunk.old, max(len(done), after_headers - 1), hunk.at_end)
    if start is None:
        raise ModelMistake(_misfit(lines, hunk, path))
    return start


def _after_headers(lines: Sequence[str], begin: int, hunk: Hunk, path: str) -> int:
    at = begin
    for header in hunk.headers:
        found = _find(lines, (header,), at, at_end=False)
        if found is None:
            raise ModelMistake(f"{path} has no line {header!r} below line {at}, which the patch names after @@.")
        at = found + 1
    return at


def _find(lines: Sequence[str], wanted: Sequence[str], begin: int, at_end: bool) -> int | None:
    last = len(lines) - len(wanted)
    for like in LIKENESS:
        target = [like(line) for line in wanted]
        starts = [last] if at_end else range(begin, last + 1)
        for start in starts:
            fits = start >= begin and like(lines[start]) == target[0]
            if fits and all(like(lines[start + offset]) == line for offset, line in enumerate(target)):
                return start
    return None


def _misfit(lines: Sequence[str], hunk: Hunk, path: str) -> str:
    parts = [f"The change at line {hunk.line} of the patch does not fit {path}: these lines do not stand there"]
    parts += [f"  {line[:200]}" for line in hunk.old[:12]]
    if places := nearest(lines, hunk.old):
        _, start, end = places[0]
        parts.append(f"Nearest are lines {start + 1} to {end}:")
        parts += [f"  {line[:200]}" for line in lines[start : min(end, start + 12)]]
    return "\n".join([*parts, "Changes of one file stand in the order of the file. Nothing was changed."])
