"""What is spent and reserved, of what: by a run's tree, and by teams in this month."""

from fastapi import APIRouter

from api.accounts import run_limits, run_limits_view, team_month_view, team_months
from api.auth import ReadableRun, Reader
from api.openapi import problems
from api.parts import Parts
from api.schemas.limits import LimitsPage, RunLimitsView

router = APIRouter(tags=["limits"])


@router.get("/limits", response_model=LimitsPage)
async def list_limits(parts: Parts, caller: Reader) -> LimitsPage:
    """Monthly limits of teams, and how they stand in this month of the calendar (UTC)."""
    return LimitsPage(items=[team_month_view(one) for one in await team_months(caller, parts)])


@router.get("/runs/{run_id}/limits", response_model=RunLimitsView, responses=problems(404))
async def read_limits(run: ReadableRun, parts: Parts) -> RunLimitsView:
    """The account of the run's tree, and the month of its team."""
    return run_limits_view(run.run_id, *await run_limits(run, parts))
