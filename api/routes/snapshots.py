"""The snapshots of a run's workspace."""

from urllib.parse import quote

from fastapi import APIRouter

from api.auth import ReadableRun
from api.files import snapshots
from api.openapi import problems
from api.parts import Parts
from api.schemas.journal import SnapshotView
from api.schemas.value import Page
from api.views import run_links
from domain.event import ToolReturned

router = APIRouter(prefix="/runs/{run_id}", tags=["workspace"], responses=problems(404))


@router.get("/snapshots", response_model=Page[SnapshotView])
async def list_snapshots(run: ReadableRun, parts: Parts) -> Page[SnapshotView]:
    """One for each call that changed the workspace, oldest first; the first is the workspace as it was opened."""
    items: list[SnapshotView] = []
    files = run_links(run, parts.settings).files
    async for recorded, snapshot in snapshots(parts.journal, run.run_id):
        if items and items[-1].id == snapshot.id:
            continue
        event = recorded.event
        called = event if isinstance(event, ToolReturned) else None
        items.append(
            SnapshotView(
                id=snapshot.id,
                key=recorded.key.removesuffix("/returned"),
                at=recorded.at,
                name=called.name if called else "open_workspace",
                subject=called.subject if called else "",
                changed=called.changed if called else 0,
                files=f"{files}?at={quote(snapshot.id)}",
            )
        )
    return Page[SnapshotView](items=items)
