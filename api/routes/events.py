"""The journal of a run: page by page, or as it grows."""

from collections.abc import Sequence
from typing import Annotated, get_args

from fastapi import APIRouter, Header, Query, Request, Response
from fastapi.responses import StreamingResponse

from api.auth import ReadableRun
from api.openapi import problems
from api.parts import Parts
from api.schemas.journal import EventPage
from api.stream import frames
from api.views import event_view
from domain.errors import InvalidRequest
from domain.event import Event

router = APIRouter(prefix="/runs/{run_id}", tags=["journal"], responses=problems(404))
EVENT_STREAM = "text/event-stream"
TYPES = [str(kind.model_fields["type"].default) for kind in get_args(get_args(Event)[0])]
EXAMPLE = 'event: tool_returned\ndata: {"run_id": "...", "seq": 7, "key": "turn/1/call/0/returned", ...}\nid: 7\n\n'


@router.get(
    "/events",
    response_model=EventPage,
    responses={200: {"description": "A page, or a stream", "content": {EVENT_STREAM: {"example": EXAMPLE}}}},
)
async def read_events(
    request: Request,
    run: ReadableRun,
    parts: Parts,
    after: Annotated[int, Query(ge=0, description="Events with a greater `seq`")] = 0,
    cursor: Annotated[int | None, Query(ge=0, description="`next_cursor` of the page before; as `after`")] = None,
    limit: Annotated[int, Query(ge=1, le=1000)] = 200,
    types: Annotated[str | None, Query(max_length=1000, description="Only these, separated by commas")] = None,
    last_event_id: Annotated[str | None, Header(description="Where a broken stream goes on")] = None,
) -> Response:
    """With `Accept: text/event-stream`: all events after the given one, then those that come, until the run has ended
    (`event: end`). Tokens come live as `event: live` without an id. Otherwise one page as JSON."""
    start = max(after, cursor or 0)
    if EVENT_STREAM in request.headers.get("accept", ""):
        start = _resumed(last_event_id) if last_event_id else start
        stream = frames(parts.journal, run.run_id, start, parts.settings.keep_alive_seconds, request.app.state.stopping)
        # A proxy that buffers would hold events back.
        return StreamingResponse(stream, media_type=EVENT_STREAM, headers={"X-Accel-Buffering": "no"})
    found = await parts.journal.read(run.run_id, start, limit + 1, _types(types))
    shown = found[:limit]
    last = shown[-1].seq if shown else start
    page = EventPage.model_construct(
        items=[event_view(one) for one in shown], next_cursor=str(last) if len(found) > limit else None, last_seq=last
    )
    return Response(page.model_dump_json(), media_type="application/json")


def _types(given: str | None) -> Sequence[str]:
    wanted = [name.strip() for name in (given or "").split(",") if name.strip()]
    if unknown := [name for name in wanted if name not in TYPES]:
        raise InvalidRequest(f"types: there are no events {', '.join(unknown)}", f"There are: {', '.join(TYPES)}.")
    return wanted


def _resumed(last_event_id: str) -> int:
    if not last_event_id.isascii() or not last_event_id.isdigit() or len(last_event_id) > 18:
        raise InvalidRequest("Last-Event-ID: this is not the id of an event", "Send the `id` of the last event read.")
    return int(last_event_id)
