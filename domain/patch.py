"""What a child changed, laid over files that have moved on since it began: all of it, or nothing and why not.

Works on manifests over the same base (domain/snapshot.py). Of /workspace only, and without .git: a child's commits and
index are its own.
"""

from bisect import bisect_left
from collections.abc import Iterator

from domain.snapshot import (
    DeletedEntry,
    DirectoryEntry,
    Entry,
    FileEntry,
    LinkEntry,
    Manifest,
    identity_lines,
    is_incidental,
)
from domain.value import Value

ROOT = "workspace"


class Contest(Value):
    """A file that both have changed; its lines may still fit together. `begin` is None where it was as in the base."""

    path: str
    begin: FileEntry | None
    child: FileEntry
    now: FileEntry


class Patch(Value):
    """`remove` comes first; all paths start with `workspace/`."""

    changed: tuple[str, ...]
    remove: tuple[str, ...] = ()
    put: dict[str, Entry] = {}
    """Files, links and directories, every directory before what is in it."""
    contests: tuple[Contest, ...] = ()
    conflicts: tuple[str, ...] = ()
    """Where it does not fit: nothing is to be applied."""


class _Side:
    def __init__(self, manifest: Manifest) -> None:
        self.entries = {path: entry for path, entry in manifest.items() if _is_work(path)}
        self.lines = identity_lines(self.entries)
        """What each path is: equal lines are equal files."""
        self._paths = sorted(self.lines)

    def at(self, path: str, whole: bool) -> dict[str, str]:
        """The line of a path, and with `whole` of all below it."""
        found = {path: self.lines[path]} if path in self.lines else {}
        if whole:
            # "0" is the character after "/": all that starts with `path/` stands between the two.
            first = bisect_left(self._paths, path + "/")
            last = bisect_left(self._paths, path + "0", first)
            found |= {one: self.lines[one] for one in self._paths[first:last]}
        return found


def changed_between(begin: Manifest, child: Manifest) -> tuple[str, ...]:
    """Paths that the child changed, made or removed; of a tree that it replaced or removed whole, its top."""
    return _changed(_Side(begin), _Side(child))


def patch(begin: Manifest, child: Manifest, now: Manifest) -> Patch:
    sides = _Side(begin), _Side(child), _Side(now)
    changed = _changed(*sides[:2])
    remove: list[str] = []
    put: dict[str, Entry] = {}
    contests: list[Contest] = []
    conflicts: list[str] = []
    for path in changed:
        whole = _is_whole(path, *sides[:2])
        began, ends, stands = (side.at(path, whole) for side in sides)
        if stands == ends:
            continue
        if stands != began:
            contest = _contest(path, *sides)
            if contest is not None and began.keys() | ends.keys() | stands.keys() == {path}:
                contests.append(contest)
            else:
                conflicts.append(path)
            continue
        if whole:
            remove.append(path)
        entries = {one: sides[1].entries[one] for one in sorted(ends)}
        put |= {one: entry for one, entry in entries.items() if not isinstance(entry, DeletedEntry)}
    conflicts += [path for path in put if _is_shut(path, sides[2], remove)]
    return Patch(
        changed=changed,
        remove=tuple(remove),
        put=put,
        contests=tuple(contests),
        conflicts=tuple(sorted(set(conflicts))),
    )


def _is_work(path: str) -> bool:
    inside = path.startswith(ROOT + "/") and not f"{path}/".startswith(ROOT + "/.git/")
    return inside and not is_incidental(path)


def _changed(begin: _Side, child: _Side) -> tuple[str, ...]:
    paths = {path for path in begin.lines.keys() | child.lines.keys() if begin.lines.get(path) != child.lines.get(path)}
    tops = {path for path in paths if _is_whole(path, begin, child)}
    return tuple(sorted(path for path in paths if not any(above in tops for above in _above(path))))


def _is_whole(path: str, begin: _Side, child: _Side) -> bool:
    """Whether the change is of all that lies there; not where it is a directory that both have, or that is new."""
    before, after = begin.entries.get(path), child.entries.get(path)
    if not isinstance(after, DirectoryEntry) or not isinstance(before, DirectoryEntry | None):
        return True
    return after.opaque or (before is not None and before.opaque)


def _contest(path: str, begin: _Side, child: _Side, now: _Side) -> Contest | None:
    old, new, stands = (side.entries.get(path) for side in (begin, child, now))
    if not isinstance(new, FileEntry) or not isinstance(stands, FileEntry) or not isinstance(old, FileEntry | None):
        return None
    if new.mode != stands.mode or (old is not None and old.mode != new.mode):
        return None
    return Contest(path=path, begin=old, child=new, now=stands)


def _is_shut(path: str, now: _Side, removed: list[str]) -> bool:
    """Whether what it would be put into is no directory any more."""
    shut = (above for above in _above(path) if isinstance(now.entries.get(above), FileEntry | LinkEntry | DeletedEntry))
    return any(above not in removed for above in shut)


def _above(path: str) -> Iterator[str]:
    while (path := path.rpartition("/")[0]) and path != ROOT:
        yield path
