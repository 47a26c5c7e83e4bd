"""Unified diffs: of the workspace as it stands, and the parts of one that was committed."""

import difflib
import re
from collections.abc import Iterable, Sequence

from api.schemas.journal import FileDiff
from domain.workspace import FileChange

CONTEXT_LINES = 3
FILE_MAX_BYTES = 1_000_000
"""Larger files are named as different, not compared: comparing grows with the square of the lines."""
HEADER = re.compile(r"^diff --git (?:a/)?(?P<before>.*?) (?:b/)?(?P<after>.*)$")


def live_diff(changes: Iterable[FileChange]) -> list[FileDiff]:
    """Per file, in the order of the paths, in the form that `git apply` takes."""
    return [_compare(change) for change in sorted(changes, key=lambda one: one.path)]


def as_text(files: Sequence[FileDiff]) -> str:
    return "".join(file.diff for file in files)


def split(diff: str) -> list[FileDiff]:
    """The files of a diff that git made."""
    starts = [match.start() for match in re.finditer(r"^diff --git ", diff, re.MULTILINE)]
    return [_read(diff[start:end]) for start, end in zip(starts, [*starts[1:], len(diff)], strict=True)]


def _compare(change: FileChange) -> FileDiff:
    path = shown_path(change.path.removeprefix("workspace/"))
    lines = [f"diff --git a/{path} b/{path}"]
    if change.before is None:
        lines.append("new file mode 100644")
    elif change.after is None:
        lines.append("deleted file mode 100644")
    before, after = _lines(change.before), _lines(change.after)
    binary = before is None or after is None
    body: list[str] = []
    if before is None or after is None:
        body = [f"Binary files {_side('a', path, change.before)} and {_side('b', path, change.after)} differ\n"]
    else:
        sides = _side("a", path, change.before), _side("b", path, change.after)
        for line in difflib.unified_diff(before, after, *sides, n=CONTEXT_LINES):
            body.append(line if line.endswith("\n") else f"{line}\n\\ No newline at end of file\n")
    added, removed = _count(body)
    kind = "added" if change.before is None else "deleted" if change.after is None else "modified"
    text = "\n".join(lines) + "\n" + "".join(body)
    return FileDiff(path=path, change=kind, added=added, removed=removed, binary=binary, diff=text)


def _read(part: str) -> FileDiff:
    lines = part.splitlines(keepends=True)
    header = HEADER.match(lines[0].rstrip("\n"))
    head = "".join(lines[: next((at for at, line in enumerate(lines) if line.startswith("@@")), len(lines))])
    named = re.search(r"^\+\+\+ b/(.*)$", head, re.MULTILINE) or re.search(r"^--- a/(.*)$", head, re.MULTILINE)
    added, removed = _count(lines)
    return FileDiff(
        path=named.group(1) if named else header.group("after") if header else "",
        change="added" if "\nnew file mode" in head else "deleted" if "\ndeleted file mode" in head else "modified",
        added=added,
        removed=removed,
        binary="\nBinary files " in head or "\nGIT binary patch" in head,
        diff=part,
    )


def _count(lines: Sequence[str]) -> tuple[int, int]:
    """Added and removed lines, counted within hunks only."""
    start = next((at for at, line in enumerate(lines) if line.startswith("@@")), len(lines))
    body = lines[start:]
    return sum(line.startswith("+") for line in body), sum(line.startswith("-") for line in body)


def _lines(content: bytes | None) -> list[str] | None:
    """None for what is not text or too large to compare."""
    if content is None:
        return []
    if len(content) > FILE_MAX_BYTES or b"\0" in content:
        return None
    # Only \n ends a line for git; splitlines would also split at form feeds and the like.
    return [line for line in re.split(r"(?<=\n)", content.decode("utf-8", "replace")) if line]


def _side(letter: str, path: str, content: bytes | None) -> str:
    return "/dev/null" if content is None else f"{letter}/{path}"


def shown_path(path: str) -> str:
    """A name for people and JSON: bytes that are not UTF-8 are written as \\xNN."""
    return path.encode("utf-8", "surrogateescape").decode("utf-8", "backslashreplace")
