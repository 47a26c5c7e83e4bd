"""A workspace at one moment, by content: what was changed over its base, in overlay form.

A manifest maps a path to an entry. Paths start with the root they belong to: `workspace/`, `home/` or `tmp/`; they are
text with surrogate escapes, so that names that are not UTF-8 survive. What the manifest does not name is as in the base
(the read-only checkout of one commit).
"""

import hashlib
import json
from bisect import bisect_left
from collections.abc import Iterator, Mapping
from fnmatch import fnmatchcase
from typing import Annotated, Literal

from pydantic import Field

from domain.value import Value

INCIDENTAL = (
    "workspace/.git/index",
    "workspace/.git/logs/*",
    "*.pyc",
    "*/__pycache__",
    "*/__pycache__/*",
    "*/.pytest_cache",
    "*/.pytest_cache/*",
    "*/.ruff_cache*",
    "*/.mypy_cache*",
)
"""Left out of `content_id`: they hold inode numbers, times or caches, never work."""


class FileEntry(Value):
    type: Literal["file"] = "file"
    mode: int
    size: int
    hash: str
    """sha256 of the content, hex."""
    pack: str
    """Id of the pack that holds the content; not part of the snapshot's id."""
    mtime_ns: int = 0
    """Not part of the snapshot's id."""


class DirectoryEntry(Value):
    """`opaque` hides everything that the base has below it; in a delta, also everything that came before."""

    type: Literal["directory"] = "directory"
    mode: int
    opaque: bool = False
    base_mode: int | None = None
    """Mode of the base's own directory of that path; None where the base shows none."""
    mtime_ns: int = 0

    @property
    def unchanged(self) -> bool:
        """It stands in the manifest only because something below it changed."""
        return not self.opaque and self.mode == self.base_mode


class LinkEntry(Value):
    type: Literal["link"] = "link"
    target: str


class DeletedEntry(Value):
    """The base has it, the workspace does not: a whiteout."""

    type: Literal["deleted"] = "deleted"
    in_base: bool = True
    """False only in a delta: an earlier call made it, the base has nothing there."""


Entry = Annotated[FileEntry | DirectoryEntry | LinkEntry | DeletedEntry, Field(discriminator="type")]
Manifest = dict[str, Entry]


class SnapshotRef(Value):
    """The address of a snapshot. `pack` None means the base itself, unchanged."""

    id: str
    base: str
    """Commit of the base, or "empty"."""
    pack: str | None = None
    number: int = 0
    """How many packs stand between this snapshot and the last pack with a whole manifest."""


def snapshot_id(base: str, manifest: Mapping[str, Entry]) -> str:
    """The hash of base and manifest, without times and packs: equal ids mean equal workspaces."""
    return id_of_lines(base, identity_lines(manifest))


def content_id(base: str, manifest: Mapping[str, Entry]) -> str:
    """Like `snapshot_id`, without what differs from one undisturbed run to the next."""
    kept = {path: entry for path, entry in manifest.items() if not is_incidental(path)}
    return snapshot_id(base, kept)


def identity_lines(manifest: Mapping[str, Entry]) -> dict[str, str]:
    """What each path adds to the snapshot's id; kept between calls, an id costs only what changed."""
    return {
        path: json.dumps([path, *_identity(entry)])
        for path, entry in manifest.items()
        if not (isinstance(entry, DirectoryEntry) and entry.unchanged)
    }


def id_of_lines(base: str, lines: Mapping[str, str]) -> str:
    return hashlib.sha256("\n".join([base, *(lines[path] for path in sorted(lines))]).encode()).hexdigest()


def is_incidental(path: str) -> bool:
    return any(fnmatchcase(path, pattern) for pattern in INCIDENTAL)


def merge(manifest: Mapping[str, Entry], delta: Mapping[str, Entry]) -> Manifest:
    """The manifest after `delta`, exactly as the kernel stacks the two layers."""
    merged = dict(manifest)
    for path in hidden_by(manifest, delta):
        merged.pop(path, None)
    for path, entry in delta.items():
        settled = _settle(entry, manifest.get(path))
        if settled is None:
            merged.pop(path, None)
        else:
            merged[path] = settled
    return merged


def hidden_by(manifest: Mapping[str, Entry], delta: Mapping[str, Entry]) -> Iterator[str]:
    """The paths of `manifest` that lie below what `delta` replaces."""
    paths = sorted(manifest)
    for path, entry in delta.items():
        if not isinstance(entry, DirectoryEntry) or entry.opaque:
            # "0" is the character after "/": all that starts with `path/` stands between the two.
            first = bisect_left(paths, path + "/")
            yield from paths[first : bisect_left(paths, path + "0", first)]


def _settle(entry: Entry, before: Entry | None) -> Entry | None:
    """An entry of a delta as it stands in a manifest; None where nothing is to be said of the path."""
    if isinstance(entry, DeletedEntry):
        return entry if entry.in_base else None
    if not isinstance(entry, DirectoryEntry):
        return entry
    opaque = entry.opaque or (isinstance(before, DirectoryEntry) and before.opaque)
    # Where the base has no such directory there is nothing to hide, and one effect must have one id.
    opaque = opaque and entry.base_mode is not None
    return entry if opaque == entry.opaque else entry.model_copy(update={"opaque": opaque})


def _identity(entry: Entry) -> tuple[object, ...]:
    if isinstance(entry, FileEntry):
        return (entry.type, entry.mode, entry.size, entry.hash)
    if isinstance(entry, DirectoryEntry):
        return (entry.type, entry.mode, entry.opaque)
    if isinstance(entry, LinkEntry):
        return (entry.type, entry.target)
    return (entry.type,)
