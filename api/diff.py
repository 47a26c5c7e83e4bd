"""Unified diffs: of the workspace as it stands, and the parts of one that was committed."""

import difflib
import re
from collections.abc import Iterable, Sequence

from api.schemas.journal import FileDiff
from domain.patch import ROOT, changed_between
from domain.ports import Snapshots
from domain.snapshot import SnapshotRef
from domain.workspace import FileChange

CONTEXT_LINES = 3
FILE_MAX_BYTES = 1_000_000
"""Larger files are named as different, not compared: comparing grows with the square of the lines."""
NEW_NAME = re.compile(r'^\+\+\+ (?P<name>"?b/.*)$', re.MULTILINE)
OLD_NAME = re.compile(r'^--- (?P<name>"?a/.*)$', re.MULTILINE)
HEADER_NAME = re.compile(r'^diff --git "?a/.* (?P<name>"?b/.*)$', re.MULTILINE)
QUOTED = re.compile(r'[\x00-\x1f\x7f"\\\ud800-\udfff]')
ESCAPE = re.compile(rb'\\([0-7]{3}|[abfnrtv"\\])')
LETTERS = dict(
    zip([bytes([letter]) for letter in b'abfnrtv"\\'], [bytes([b]) for b in b'\a\b\f\n\r\t\v"\\'], strict=True)
)


def live_diff(changes: Iterable[FileChange]) -> list[FileDiff]:
    """Per file, in the order of the paths, in the form that `git apply` takes."""
    return [_compare(change) for change in sorted(changes, key=lambda one: one.path)]


async def changes_since(
    snapshots: Snapshots, begin: SnapshotRef, now: SnapshotRef, changes: Iterable[FileChange]
) -> list[FileChange]:
    """Between two snapshots over one base; `changes` are those of the later one against the base."""
    tops = changed_between(await snapshots.manifest(begin), await snapshots.manifest(now))
    old = {one.path: one for one in await snapshots.changes(begin)}
    new = {one.path: one for one in changes}
    found: list[FileChange] = []
    for path in sorted(old.keys() | new.keys()):
        if not any(f"{ROOT}/{path}/".startswith(f"{top}/") for top in tops):
            continue
        then, later = old.get(path), new.get(path)
        before = then.after if then else later.before if later else None
        after = later.after if later else then.before if then else None
        large = any(one.large for one in (then, later) if one)
        found.append(FileChange(path=path, before=before, after=after, large=large))
    return found


def as_text(files: Sequence[FileDiff]) -> str:
    return "".join(file.diff for file in files)


def split(diff: str) -> list[FileDiff]:
    """The files of a diff that git made."""
    starts = [match.start() for match in re.finditer(r"^diff --git ", diff, re.MULTILINE)]
    return [_read(diff[start:end]) for start, end in zip(starts, [*starts[1:], len(diff)], strict=True)]


def _compare(change: FileChange) -> FileDiff:
    path = change.path.removeprefix("workspace/")
    old, new = _name("a", path), _name("b", path)
    head = [f"diff --git {old} {new}"]
    if change.before is None:
        head, old = [*head, "new file mode 100644"], "/dev/null"
    elif change.after is None:
        head, new = [*head, "deleted file mode 100644"], "/dev/null"
    before, after = (None, None) if change.large else (_lines(change.before), _lines(change.after))
    body: list[str] = []
    if before is None or after is None:
        body = [f"Binary files {old} and {new} differ\n"]
    else:
        for line in difflib.unified_diff(before, after, _ended(old), _ended(new), n=CONTEXT_LINES):
            body.append(line if line.endswith("\n") else f"{line}\n\\ No newline at end of file\n")
    added, removed = _count(body)
    return FileDiff(
        path=shown_path(path),
        change="added" if change.before is None else "deleted" if change.after is None else "modified",
        added=added,
        removed=removed,
        binary=before is None or after is None,
        diff="\n".join(head) + "\n" + "".join(body),
    )


def _read(part: str) -> FileDiff:
    lines = part.split("\n")
    head = "\n".join(lines[: _hunks(lines)])
    named = NEW_NAME.search(head) or OLD_NAME.search(head) or HEADER_NAME.search(head)
    added, removed = _count(lines)
    return FileDiff(
        path=_unquoted(named["name"].removesuffix("\t")) if named else "",
        change="added" if "\nnew file mode" in head else "deleted" if "\ndeleted file mode" in head else "modified",
        added=added,
        removed=removed,
        binary="\nBinary files " in head or "\nGIT binary patch" in head,
        diff=part,
    )


def _hunks(lines: Sequence[str]) -> int:
    """Where the first hunk begins."""
    return next((at for at, line in enumerate(lines) if line.startswith("@@")), len(lines))


def _count(lines: Sequence[str]) -> tuple[int, int]:
    """Added and removed lines, counted within hunks only."""
    body = lines[_hunks(lines) :]
    return sum(line.startswith("+") for line in body), sum(line.startswith("-") for line in body)


def _lines(content: bytes | None) -> list[str] | None:
    """None for what is not text or too large to compare."""
    if content is None:
        return []
    if len(content) > FILE_MAX_BYTES or b"\0" in content:
        return None
    # Only \n ends a line for git; splitlines would also split at form feeds and the like.
    return [line for line in re.split(r"(?<=\n)", content.decode("utf-8", "replace")) if line]


def _name(side: str, path: str) -> str:
    """As git writes it: quoted where it holds what could end a line or a name."""
    if not QUOTED.search(path):
        return f"{side}/{path}"
    raw = f"{side}/{path}".encode("utf-8", "surrogateescape")
    return (
        '"' + "".join(chr(byte) if 32 <= byte < 127 and byte not in b'"\\' else f"\\{byte:03o}" for byte in raw) + '"'
    )


def _ended(name: str) -> str:
    """A name with a space is ended by a tab, or what follows the space would be taken for a date."""
    return f"{name}\t" if " " in name and not name.startswith('"') else name


def _unquoted(name: str) -> str:
    """A name of a diff's header without its quotes and its `a/` or `b/`."""
    if name.startswith('"'):
        raw = ESCAPE.sub(_unescaped, name.strip('"').encode())
        name = raw.decode("utf-8", "backslashreplace")
    return name[2:]


def _unescaped(found: re.Match[bytes]) -> bytes:
    escaped = found[1]
    return LETTERS[escaped] if escaped in LETTERS else bytes([int(escaped, 8)])


def shown_path(path: str) -> str:
    """A name for people and JSON: bytes that are not UTF-8 are written as \\xNN."""
    return path.encode("utf-8", "surrogateescape").decode("utf-8", "backslashreplace")
