"""The workspace at any snapshot, running or not."""

from typing import Annotated

from fastapi import APIRouter, Query, Request, Response

from api.auth import ReadableRun
from api.files import asked_path, inside, listing, snapshot_at
from api.openapi import problems
from api.parts import Parts
from api.schemas.journal import FileList
from api.views import run_links
from domain.errors import NotFound, TooLarge
from domain.ports import Snapshots
from domain.snapshot import DeletedEntry, FileEntry, LinkEntry, Manifest, SnapshotRef

router = APIRouter(prefix="/runs/{run_id}", tags=["workspace"], responses=problems(404, 413))
FILE_MAX_BYTES = 64 * 1024**2
SNAPSHOT = "X-Perdure-Snapshot"
# What a run wrote is never to act in a browser as a page of this server.
HARMLESS = {"Content-Security-Policy": "sandbox; default-src 'none'"}
CONTENT = {
    "description": "A list, or the content of one file",
    "content": {
        "text/plain": {"schema": {"type": "string"}, "example": "def slug(text): ...\n"},
        "application/octet-stream": {"schema": {"type": "string", "format": "binary"}},
    },
}


@router.get("/files", response_model=FileList, responses={200: CONTENT})
async def read_files(
    request: Request,
    run: ReadableRun,
    parts: Parts,
    path: Annotated[str, Query(max_length=4096, description="Relative to /workspace, or absolute", examples=[""])] = "",
    at: Annotated[
        str | None, Query(max_length=300, description="A snapshot's id, a call (`turn/3/call/0`) or a turn (`turn/3`)")
    ] = None,
) -> Response:
    """What the run changed: a list for a directory, the content for a file. Without `at`, as committed last."""
    snapshot = await snapshot_at(parts.journal, run.run_id, at)
    manifest = await parts.snapshots.manifest(snapshot)
    name = asked_path(request.scope["query_string"]) if path else ""
    if isinstance(manifest.get(name), FileEntry | LinkEntry | DeletedEntry):
        return await _content(parts.snapshots, snapshot, manifest, name)
    items = listing(manifest, name, run_links(run, parts.settings).files, snapshot.id)
    if name and not items and name not in (*manifest, "workspace", "home", "tmp"):
        raise _not_changed(name, snapshot)
    shown = FileList(
        run_id=run.run_id, snapshot_id=snapshot.id, base=snapshot.base, path=inside(name) if name else "/", items=items
    )
    return Response(shown.model_dump_json(), media_type="application/json", headers={SNAPSHOT: snapshot.id})


async def _content(snapshots: Snapshots, snapshot: SnapshotRef, manifest: Manifest, name: str) -> Response:
    entry = manifest[name]
    headers = {SNAPSHOT: snapshot.id, **HARMLESS}
    if isinstance(entry, DeletedEntry):
        raise NotFound(f"{inside(name)} was deleted by then", "Name an earlier snapshot with `at`.")
    if isinstance(entry, LinkEntry):
        target = entry.target.encode("utf-8", "surrogateescape")
        return Response(target, media_type="application/octet-stream", headers={**headers, "X-Perdure-Type": "link"})
    if isinstance(entry, FileEntry) and entry.size > FILE_MAX_BYTES:
        raise TooLarge(
            f"{inside(name)} has {entry.size:,} bytes, and the API gives files of up to {FILE_MAX_BYTES:,}",
            "Its content stands in the blob store, in the pack of its snapshot.",
        )
    content = await snapshots.read(snapshot, name)
    if content is None:
        raise _not_changed(name, snapshot)
    return Response(content, media_type=_media_type(content), headers=headers)


def _media_type(content: bytes) -> str:
    try:
        text = content.decode()
    except UnicodeDecodeError:
        return "application/octet-stream"
    return "application/octet-stream" if "\0" in text else "text/plain; charset=utf-8"


def _not_changed(name: str, snapshot: SnapshotRef) -> NotFound:
    if snapshot.base == "empty":
        return NotFound(f"There is no {inside(name)} at this snapshot", "List the files without `path`.")
    return NotFound(
        f"The run did not change {inside(name)}, and only what it changed is kept here",
        f"If it exists it is as in the repository at commit {snapshot.base}.",
    )
