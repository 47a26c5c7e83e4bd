"""The V4A patch format, read. Pure.

*** Begin Patch
*** Update File: src/a.py
*** Move to: src/b.py
@@ class A:
 context
-old
+new
*** Add File: src/c.py
+content
*** Delete File: src/d.py
*** End Patch
"""

from collections.abc import Sequence

from domain.errors import ModelMistake
from domain.value import Value

BEGIN, END = "*** Begin Patch", "*** End Patch"
ADD, DELETE, UPDATE, MOVE = "*** Add File: ", "*** Delete File: ", "*** Update File: ", "*** Move to: "
END_OF_FILE = "*** End of File"
MOST_FILES = 50


class Hunk(Value):
    """`old` becomes `new`; `headers` are lines that stand before it, outermost first."""

    headers: tuple[str, ...] = ()
    old: tuple[str, ...]
    new: tuple[str, ...]
    at_end: bool = False
    line: int = 0
    """Where it begins in the patch."""


class FilePatch(Value):
    """`content` for a new file, `hunks` for a changed one, neither for one to be deleted."""

    path: str
    content: str | None = None
    hunks: tuple[Hunk, ...] = ()
    move_to: str | None = None

    @property
    def deletes(self) -> bool:
        return self.content is None and not self.hunks and self.move_to is None


def parse_patch(text: str) -> tuple[FilePatch, ...]:
    """Raises ModelMistake that names the line which cannot be read."""
    lines = text.strip("\n").split("\n")
    if lines[0].strip() != BEGIN:
        raise ModelMistake(f"The patch must begin with the line {BEGIN!r}; it begins with {lines[0][:80]!r}.")
    if lines[-1].strip() != END:
        raise ModelMistake(f"The patch must end with the line {END!r}; it ends with {lines[-1][:80]!r}.")
    patches: list[FilePatch] = []
    at = 1
    while at < len(lines) - 1:
        if not lines[at].strip():
            at += 1
            continue
        patch, at = _file(lines, at)
        patches.append(patch)
    if not patches:
        raise ModelMistake("The patch changes no file.")
    paths = [patch.path for patch in patches]
    if len(paths) > MOST_FILES or len(set(paths)) < len(paths):
        raise ModelMistake(f"A patch names each file once, and at most {MOST_FILES} of them.")
    return tuple(patches)


def patched_paths(text: str) -> list[str]:
    """What a patch names, well formed or not: for people and policies."""
    marks = (ADD, DELETE, UPDATE, MOVE)
    return [line[len(mark) :].strip() for line in text.split("\n") for mark in marks if line.startswith(mark)]


def _file(lines: Sequence[str], at: int) -> tuple[FilePatch, int]:
    line = lines[at]
    if line.startswith(DELETE):
        return FilePatch(path=_path(line, DELETE, at)), at + 1
    if line.startswith(ADD):
        end = _section_end(lines, at + 1)
        return FilePatch(path=_path(line, ADD, at), content=_added(lines, at + 1, end)), end
    if line.startswith(UPDATE):
        path, at = _path(line, UPDATE, at), at + 1
        move_to = None
        if lines[at].startswith(MOVE):
            move_to, at = _path(lines[at], MOVE, at), at + 1
        end = _section_end(lines, at)
        hunks = _hunks(lines, at, end)
        if not hunks and move_to is None:
            raise ModelMistake(f"The patch changes nothing in {path}.")
        return FilePatch(path=path, hunks=hunks, move_to=move_to), end
    raise _unread(lines, at, f"a line that begins with {ADD!r}, {UPDATE!r} or {DELETE!r} is expected")


def _path(line: str, mark: str, at: int) -> str:
    path = line[len(mark) :].strip()
    if not path:
        raise ModelMistake(f"Line {at + 1} of the patch names no file.")
    return path


def _section_end(lines: Sequence[str], at: int) -> int:
    while at < len(lines) - 1 and not lines[at].startswith((ADD, DELETE, UPDATE)):
        at += 1
    return at


def _added(lines: Sequence[str], at: int, end: int) -> str:
    while end > at and not lines[end - 1].strip():
        end -= 1
    for number in range(at, end):
        if not lines[number].startswith("+"):
            raise _unread(lines, number, "each line of a new file begins with +")
    return "".join(line[1:] + "\n" for line in lines[at:end])


def _hunks(lines: Sequence[str], at: int, end: int) -> tuple[Hunk, ...]:
    hunks: list[Hunk] = []
    while at < end:
        headers: list[str] = []
        begin = at
        while at < end and lines[at].startswith("@@"):
            if header := lines[at][2:].strip().removesuffix("@@").strip():
                headers.append(header)
            at += 1
        hunk, at = _body(lines, at, end, tuple(headers), begin)
        if hunk is not None:
            hunks.append(hunk)
    return tuple(hunks)


def _body(lines: Sequence[str], at: int, end: int, headers: tuple[str, ...], begin: int) -> tuple[Hunk | None, int]:
    old: list[str] = []
    new: list[str] = []
    while at < end and not lines[at].startswith(("@@", END_OF_FILE)):
        line = lines[at]
        match line[:1]:
            case "+":
                new.append(line[1:])
            case "-":
                old.append(line[1:])
            case " " | "":
                old.append(line[1:])
                new.append(line[1:])
            case _:
                raise _unread(lines, at, "a line of a change begins with a space, + or -")
        at += 1
    at_end = at < end and lines[at].startswith(END_OF_FILE)
    at += at_end
    # Empty lines between sections are the writer's, not the file's.
    while at == end and not at_end and old and new and old[-1] == new[-1] == "":
        old.pop(), new.pop()
    if not old and not new:
        if at >= end and not headers:
            return None, at
        raise _unread(lines, min(at, end - 1), "a change with lines that begin with a space, + or - is expected")
    return Hunk(headers=headers, old=tuple(old), new=tuple(new), at_end=at_end, line=begin + 1), at


def _unread(lines: Sequence[str], at: int, expected: str) -> ModelMistake:
    return ModelMistake(f"Line {at + 1} of the patch cannot be read, {expected}: {lines[at][:120]!r}")
