"""Counts and cost over all runs."""

from collections.abc import Sequence
from operator import attrgetter

from fastapi import APIRouter

from api.auth import Reader
from api.parts import Parts
from api.schemas.catalogue import StatsLine, StatsView
from domain.ports import RunCount

router = APIRouter(prefix="/stats", tags=["operation"])


@router.get("", response_model=StatsView)
async def read_stats(parts: Parts, caller: Reader) -> StatsView:
    counts = [one for one in await parts.journal.run_counts() if caller.sees(one.owner)]
    return StatsView(
        runs=sum(one.runs for one in counts),
        tokens=sum(one.tokens for one in counts),
        cost_usd=round(sum(one.cost_usd for one in counts), 6),
        by_status=_by("status", counts),
        by_owner=_by("owner", counts),
        by_model=_by("model", counts),
    )


def _by(field: str, counts: Sequence[RunCount]) -> list[StatsLine]:
    named = attrgetter(field)
    lines = []
    for name in sorted({named(one) for one in counts}):
        those = [one for one in counts if named(one) == name]
        lines.append(
            StatsLine(
                name=name,
                runs=sum(one.runs for one in those),
                tokens=sum(one.tokens for one in those),
                cost_usd=round(sum(one.cost_usd for one in those), 6),
            )
        )
    return lines
