"""The end of a run's record."""

from fastapi import APIRouter, Response

from api.auth import SteerableRun, Submitter
from api.openapi import problems
from api.parts import Parts
from api.retention import delete_run

router = APIRouter(prefix="/runs", tags=["runs"], responses=problems(404, 409))


@router.delete("/{run_id}", status_code=204, response_class=Response)
async def remove_run(run: SteerableRun, parts: Parts, caller: Submitter) -> None:
    """Removes an ended run for good: events, approvals, idempotency key, and later the contents that it alone has.

    The branch and the pull request that it made stay. A run that has not ended is refused (409): cancel it first."""
    await delete_run(parts, run.run_id, caller.owner)
