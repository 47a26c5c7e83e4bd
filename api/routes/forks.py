"""Forks of runs: one more from a point on, several of which one is kept, or one in the run's place."""

import uuid_utils
from fastapi import APIRouter, Response

from api.auth import SteerableRun, Submitter
from api.forks import Attempt, check_race, point_of, submission, trail_of, variants
from api.openapi import problems
from api.parts import ApiParts, Parts
from api.routes.runs import IdempotencyKey, take_in
from api.schemas.forks import ForkRequest, ForkView, RewindRequest
from api.views import run_item
from domain.run import RunSummary

router = APIRouter(prefix="/runs/{run_id}", tags=["runs"], responses=problems(400, 404, 409, 413))


@router.post("/fork", status_code=202, response_model=ForkView)
async def fork_run(
    run: SteerableRun,
    parts: Parts,
    caller: Submitter,
    response: Response,
    asked: ForkRequest | None = None,
    idempotency_key: IdempotencyKey = None,
) -> ForkView:
    """New runs that go on where this one stood: files, conversation, plan and list, and what was left of the limits.

    Receipts and approvals stay with the parent; each fork publishes a branch of its own."""
    asked = asked or ForkRequest()
    check_race(run, asked)
    wanted = variants(asked)
    race = str(uuid_utils.uuid7()) if asked.keep == "first_verified" else None
    attempts = [
        Attempt(
            run_id=str(uuid_utils.uuid7()),
            number=number,
            owner=caller.owner,
            by=caller.owner,
            message=message,
            model=model,
            race=race,
            key=idempotency_key,
        )
        for number, (message, model) in enumerate(wanted)
    ]
    return await _fork(run, asked, attempts, parts, response)


@router.post("/rewind", status_code=202, response_model=ForkView)
async def rewind_run(
    run: SteerableRun,
    parts: Parts,
    caller: Submitter,
    response: Response,
    asked: RewindRequest | None = None,
    idempotency_key: IdempotencyKey = None,
) -> ForkView:
    """A fork that takes the run's place: the run is cancelled, where it goes on, and shows what supersedes it.

    What it has published stays published."""
    asked = asked or RewindRequest()
    attempt = Attempt(
        run_id=str(uuid_utils.uuid7()),
        owner=run.owner,
        by=caller.owner,
        message=asked.message,
        model=asked.model,
        replaces=True,
        key=idempotency_key,
    )
    return await _fork(run, asked, [attempt], parts, response)


async def _fork(
    parent: RunSummary, asked: RewindRequest, attempts: list[Attempt], parts: ApiParts, response: Response
) -> ForkView:
    """Each fork is a transaction of its own; who asks again with the same key gets those that are missing."""
    trail = await trail_of(parts.journal, parent.run_id)
    cut, race = trail.cut(asked.at), attempts[0].race
    runs: list[RunSummary] = []
    for attempt in attempts:
        wanted = await submission(parent, cut, asked, attempt.model_copy(update={"race": race}), parts)
        run_id, is_new = await take_in(wanted, parts)
        made = await parts.journal.summary(run_id)
        if not is_new:
            # The newest point may have moved since the key came first.
            first = point_of(made)
            cut, race = trail.cut(first.at), first.race
            response.headers["Idempotent-Replayed"] = "true"
        runs.append(made)
    response.headers["Location"] = f"/v1/runs/{runs[0].run_id}"
    items = [run_item(run, parts.settings) for run in runs]
    return ForkView(parent=parent.run_id, at=cut.at, race=race, runs=items)
