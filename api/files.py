"""A run's files at any of its snapshots, from the blob store alone."""

from collections.abc import AsyncIterator
from urllib.parse import parse_qs, quote

from api.diff import shown_path
from api.schemas.journal import FileEntryView
from domain.errors import InvalidRequest, NotFound
from domain.event import ToolReturned, WorkspaceOpened
from domain.ports import Journal
from domain.record import RecordedEvent
from domain.sandbox import HOME_PATH, WORKSPACE_PATH
from domain.snapshot import DirectoryEntry, Entry, FileEntry, LinkEntry, Manifest, SnapshotRef

PAGE = 500
PLACES = ((WORKSPACE_PATH, "workspace"), (HOME_PATH, "home"), ("/tmp", "tmp"))  # noqa: S108 - inside the sandbox
"""Where the roots of a manifest lie for those who work inside."""


async def snapshots(journal: Journal, run_id: str) -> AsyncIterator[tuple[RecordedEvent, SnapshotRef]]:
    """Every snapshot that a run's events name, oldest first."""
    after = 0
    while page := await journal.read(run_id, after, PAGE, ("workspace_opened", "tool_returned")):
        for recorded in page:
            event = recorded.event
            if isinstance(event, WorkspaceOpened | ToolReturned) and event.snapshot is not None:
                yield recorded, event.snapshot
        after = page[-1].seq


async def snapshot_at(journal: Journal, run_id: str, at: str | None) -> SnapshotRef:
    """By snapshot id, by a call's key, or after a whole turn (`turn/3`); None is the workspace as committed last."""
    if at is None:
        lease = await journal.lease(run_id)
        if lease is None or lease.snapshot is None:
            raise NotFound("The run has opened no workspace yet", "Ask again once it is running.")
        return lease.snapshot
    found: SnapshotRef | None = None
    async for recorded, snapshot in snapshots(journal, run_id):
        if at in (snapshot.id, recorded.key, recorded.key.removesuffix("/returned")):
            return snapshot
        if recorded.key.startswith(f"{at}/call/"):
            found = snapshot
    if found is None:
        raise NotFound(f"The run has no snapshot {at[:100]!r}", "`GET .../snapshots` lists its snapshots.")
    return found


def asked_path(query: bytes) -> str:
    """The `path` of a query as a manifest has it: byte for byte, below one of the roots; "" for all of them."""
    given = parse_qs(query.decode("ascii", "replace"), errors="surrogateescape").get("path", [""])[0]
    parts = [part for part in given.split("/") if part not in ("", ".")]
    if ".." in parts:
        raise InvalidRequest("path: it may not hold `..`", "Give the path as it is listed.")
    if not given.startswith("/"):
        return "/".join(["workspace", *parts]) if parts else ""
    clean = "/" + "/".join(parts)
    for place, root in PLACES:
        if clean == place or clean.startswith(f"{place}/"):
            return root + clean[len(place) :]
    if not parts:
        return ""
    raise InvalidRequest(
        f"path: {shown_path(clean)} is not part of a snapshot",
        f"Paths lie below {', '.join(place for place, _ in PLACES)}.",
    )


def listing(manifest: Manifest, path: str, base_url: str, snapshot_id: str) -> list[FileEntryView]:
    """All below `path`; the roots themselves are always there and say nothing."""
    below = f"{path}/" if path else ""
    names = sorted(name for name in manifest if name.startswith(below) and "/" in name)
    return [entry_view(name, manifest[name], base_url, snapshot_id) for name in names]


def entry_view(name: str, entry: Entry, base_url: str, snapshot_id: str) -> FileEntryView:
    place = inside(name)
    has_mode = isinstance(entry, FileEntry | DirectoryEntry)
    return FileEntryView(
        path=shown_path(place),
        type=entry.type,
        mode=f"{entry.mode & 0o7777:04o}" if has_mode else None,
        size=entry.size if isinstance(entry, FileEntry) else None,
        hash=entry.hash if isinstance(entry, FileEntry) else None,
        target=shown_path(entry.target) if isinstance(entry, LinkEntry) else None,
        url=f"{base_url}?path={quote(place, errors='surrogateescape')}&at={quote(snapshot_id)}",
    )


def inside(name: str) -> str:
    """A manifest's path as those inside the sandbox see it."""
    root, _, rest = name.partition("/")
    place = next((place for place, known in PLACES if known == root), f"/{root}")
    return f"{place}/{rest}" if rest else place
