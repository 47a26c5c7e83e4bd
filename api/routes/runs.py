"""Runs: started, listed, shown, and told things."""

import logging
from datetime import UTC, datetime
from typing import Annotated

import uuid_utils
from fastapi import APIRouter, Depends, Header, Query, Response

from api.auth import ReadableRun, Reader, Submitter
from api.hindrances import hindered
from api.openapi import problems
from api.parts import ApiParts, Parts
from api.retention import children_of
from api.schemas.runs import RunItem, RunRequest, RunView
from api.schemas.value import Page
from api.standing import TYPES, limits_left
from api.submission import run_input, submission
from api.views import run_item, run_view
from domain.errors import Conflict, Forbidden, InvalidRequest, WorldError
from domain.event import WorkspaceOpened
from domain.ports import RunFilter, Submission
from domain.run import RunStatus, RunSummary, WaitingFor

LOG = logging.getLogger("perdure.api")
router = APIRouter(prefix="/runs", tags=["runs"])
IdempotencyKey = Annotated[
    str | None,
    Header(
        min_length=1,
        max_length=255,
        description="The same key and body answer with the same run; the same key with another body is refused",
    ),
]


@router.post("", status_code=201, response_model=RunView, responses=problems(400, 413))
async def start_run(
    asked: RunRequest,
    response: Response,
    parts: Parts,
    caller: Submitter,
    idempotency_key: IdempotencyKey = None,
) -> RunView:
    """Takes a run in. It is recorded before this answers, and starts once Temporal and a worker are up."""
    wanted = submission(asked, str(uuid_utils.uuid7()), caller.owner, idempotency_key, parts)
    run_id, is_new = await take_in(wanted, parts)
    if not is_new:
        response.headers["Idempotent-Replayed"] = "true"
    response.headers["Location"] = f"/v1/runs/{run_id}"
    return await whole_view(await parts.journal.summary(run_id), parts)


async def take_in(wanted: Submission, parts: ApiParts) -> tuple[str, bool]:
    """Records the run, and has it started; its id, and whether it is new."""
    try:
        run_id, is_new = await parts.journal.submit(wanted)
    except Conflict as error:
        raise InvalidRequest(
            "Idempotency-Key: this key came with another request before", "Use a new key for a new run."
        ) from error
    if is_new:
        try:
            await parts.runs.start(run_input(wanted, parts.settings))
        except WorldError as error:
            LOG.warning("run %s is taken in and waits to be started: %s", run_id, error.message)
    return run_id, is_new


def wanted_runs(
    caller: Reader,
    status: RunStatus | None = None,
    waiting_for: WaitingFor | None = None,
    agent: Annotated[str | None, Query(max_length=100)] = None,
    repository: Annotated[str | None, Query(max_length=2000, description="Its URL or path, exactly")] = None,
    owner: Annotated[str | None, Query(max_length=200)] = None,
    parent: Annotated[str | None, Query(max_length=100, description="Forks and children of this run")] = None,
    label: Annotated[str | None, Query(max_length=500, description="`name=value`", examples=["team=web"])] = None,
    created_after: datetime | None = None,
    created_before: datetime | None = None,
) -> RunFilter:
    name, equals, value = (label or "").partition("=")
    if label is not None and not equals:
        raise InvalidRequest("label: it has no `=`", "Write `name=value`.")
    if owner is not None and not caller.sees(owner):
        raise Forbidden("The role submitter sees its own runs only", "Leave `owner` out.")
    return RunFilter(
        status=status,
        waiting_for=waiting_for,
        agent=agent,
        repository=repository,
        owner=owner or (caller.owner if caller.role == "submitter" else None),
        parent=parent,
        label=(name, value) if label is not None else None,
        created_after=_utc(created_after),
        created_before=_utc(created_before),
    )


@router.get("", response_model=Page[RunItem])
async def list_runs(
    parts: Parts,
    wanted: Annotated[RunFilter, Depends(wanted_runs)],
    limit: Annotated[int, Query(ge=1, le=200)] = 50,
    cursor: Annotated[str | None, Query(max_length=500)] = None,
) -> Page[RunItem]:
    """The newest first."""
    found, following = await parts.journal.summaries(wanted, limit, cursor)
    known = await parts.runs.hindrances()
    items = [run_item(hindered(run, known), parts.settings) for run in found]
    return Page[RunItem](items=items, next_cursor=following)


@router.get("/{run_id}", response_model=RunView, responses=problems(404))
async def get_run(run: ReadableRun, parts: Parts) -> RunView:
    """Status, what it waits for and since when, plan, usage and cost, limits left, result and links."""
    return await whole_view(run, parts)


async def whole_view(run: RunSummary, parts: ApiParts) -> RunView:
    events = await parts.journal.read(run.run_id, types=(*TYPES, "workspace_opened"))
    openings = [one.event for one in events if isinstance(one.event, WorkspaceOpened)]
    opened = max(openings, key=lambda one: one.generation, default=None)
    timed = [one for one in events if not isinstance(one.event, WorkspaceOpened)]
    run = hindered(run, await parts.runs.hindrances())
    account = await parts.journal.account(run.run_id)
    left = limits_left(run, timed, datetime.now(UTC), account)
    return run_view(run, left, parts.settings, opened, await children_of(parts.journal, run.run_id))


def _utc(time: datetime | None) -> datetime | None:
    """A time without an offset is UTC, as all times here are."""
    return time.replace(tzinfo=UTC) if time is not None and time.tzinfo is None else time
