"""A workspace at one moment, by content: what was changed over its base, in overlay form.

A manifest maps a path to an entry. Paths start with the root they belong to: `workspace/`, `home/` or `tmp/`; they are
text with surrogate escapes, so that names that are not UTF-8 survive. What the manifest does not name is as in the base
(the read-only checkout of one commit).
"""

import hashlib
import json
from collections.abc import Mapping
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
    """`opaque` hides everything that the base has below it."""

    type: Literal["directory"] = "directory"
    mode: int
    opaque: bool = False
    mtime_ns: int = 0


class LinkEntry(Value):
    type: Literal["link"] = "link"
    target: str


class DeletedEntry(Value):
    """The base has it, the workspace does not: a whiteout."""

    type: Literal["deleted"] = "deleted"


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
    lines = [json.dumps([path, *_identity(entry)]) for path, entry in sorted(manifest.items())]
    return hashlib.sha256("\n".join([base, *lines]).encode()).hexdigest()


def content_id(base: str, manifest: Mapping[str, Entry]) -> str:
    """Like `snapshot_id`, without what differs from one undisturbed run to the next."""
    kept = {path: entry for path, entry in manifest.items() if not is_incidental(path)}
    return snapshot_id(base, kept)


def is_incidental(path: str) -> bool:
    return any(fnmatchcase(path, pattern) for pattern in INCIDENTAL)


def merge(manifest: Mapping[str, Entry], delta: Mapping[str, Entry]) -> Manifest:
    """The manifest after `delta`, exactly as the kernel stacks the two layers."""
    hidden = {path for path, entry in delta.items() if not isinstance(entry, DirectoryEntry) or entry.opaque}
    merged = {path: entry for path, entry in manifest.items() if not _is_below(path, hidden)}
    for path, entry in delta.items():
        before = manifest.get(path)
        keeps_opaque = isinstance(entry, DirectoryEntry) and isinstance(before, DirectoryEntry) and before.opaque
        merged[path] = entry.model_copy(update={"opaque": True}) if keeps_opaque else entry
    return merged


def _is_below(path: str, hidden: set[str]) -> bool:
    parts = path.split("/")
    return any("/".join(parts[:depth]) in hidden for depth in range(1, len(parts)))


def _identity(entry: Entry) -> tuple[object, ...]:
    if isinstance(entry, FileEntry):
        return (entry.type, entry.mode, entry.size, entry.hash)
    if isinstance(entry, DirectoryEntry):
        return (entry.type, entry.mode, entry.opaque)
    if isinstance(entry, LinkEntry):
        return (entry.type, entry.target)
    return (entry.type,)
