"""What a run changed, as a unified diff."""

import asyncio

from fastapi import APIRouter, Request, Response

from api.auth import ReadableRun
from api.diff import as_text, changes_since, live_diff, split
from api.files import snapshot_at
from api.openapi import problems
from api.parts import ApiParts, Parts
from api.schemas.journal import DiffView
from domain.event import WorkCommitted
from domain.repository import PublishedWork
from domain.run import RunSummary

router = APIRouter(prefix="/runs/{run_id}", tags=["workspace"], responses=problems(404))
TEXT = "text/x-diff; charset=utf-8"
PAGE = 100
EXAMPLE = "diff --git a/slug.py b/slug.py\n--- a/slug.py\n+++ b/slug.py\n@@ -1 +1 @@\n-old\n+new\n"


@router.get(
    "/diff",
    response_model=DiffView,
    responses={200: {"description": "All of it, or file by file", "content": {"text/x-diff": {"example": EXAMPLE}}}},
)
async def read_diff(request: Request, run: ReadableRun, parts: Parts) -> Response:
    """Of the commit that is published; before there is one, of the workspace as it stands; of a child, what it changed
    since it began. With `Accept: application/json` file by file, otherwise as text that `git apply` takes."""
    as_json = "application/json" in request.headers.get("accept", "")
    work = run.result.work if run.result else None
    work = work or await _committed(run, parts)
    if work is not None:
        text = (await parts.blobs.get(work.diff)).decode("utf-8", "replace")
        if not as_json:
            return Response(text, media_type=TEXT)
        view = DiffView(
            run_id=run.run_id, of="committed", base=work.base, commit=work.commit, snapshot_id=None, files=split(text)
        )
        return Response(view.model_dump_json(), media_type="application/json")
    snapshot = await snapshot_at(parts.journal, run.run_id, None)
    changes = await parts.snapshots.changes(snapshot)
    if run.child is not None:
        changes = await changes_since(parts.snapshots, run.child.snapshot, snapshot, changes)
    files = await asyncio.to_thread(live_diff, changes)
    if not as_json:
        return Response(as_text(files), media_type=TEXT)
    view = DiffView(run_id=run.run_id, of="live", base=snapshot.base, commit=None, snapshot_id=snapshot.id, files=files)
    return Response(view.model_dump_json(), media_type="application/json")


async def _committed(run: RunSummary, parts: ApiParts) -> PublishedWork | None:
    """The newest commit of the work, which may still wait to be approved or pushed."""
    found, after = None, 0
    while page := await parts.journal.read(run.run_id, after, PAGE, ("work_committed",)):
        for recorded in page:
            if isinstance(recorded.event, WorkCommitted):
                found = recorded.event.work
        after = page[-1].seq
    return found
