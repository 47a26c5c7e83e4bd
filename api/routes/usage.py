"""What a run has used: tokens and money, by answer, phase and model."""

from collections.abc import Callable, Iterable, Sequence

from fastapi import APIRouter

from api.auth import ReadableRun
from api.openapi import problems
from api.parts import Parts
from api.schemas.journal import UsageLine, UsageReport, UsageTotal
from api.views import usage_view
from domain.event import RunForked, TurnAnswered
from domain.model import Usage
from domain.record import RecordedEvent

router = APIRouter(prefix="/runs/{run_id}", tags=["journal"], responses=problems(404))
PAGE = 200


@router.get("/usage", response_model=UsageReport)
async def read_usage(run: ReadableRun, parts: Parts) -> UsageReport:
    lines: list[UsageLine] = []
    answers: list[TurnAnswered] = []
    after = 0
    while page := await parts.journal.read(run.run_id, after, PAGE, ("turn_answered", "run_forked")):
        for recorded in page:
            if isinstance(recorded.event, RunForked):
                # What came before is the parent's, and counted there.
                answers.clear()
                lines.clear()
            elif isinstance(recorded.event, TurnAnswered):
                answers.append(recorded.event)
                lines.append(_line(recorded, recorded.event))
        after = page[-1].seq
    return UsageReport(
        run_id=run.run_id,
        total=_total(answers),
        by_phase=_totals(answers, lambda one: one.phase),
        by_model=_totals(answers, lambda one: one.model),
        turns=lines,
    )


def _totals(answers: Sequence[TurnAnswered], name: Callable[[TurnAnswered], str]) -> dict[str, UsageTotal]:
    """By name, in the order of their first answer."""
    names = dict.fromkeys(name(one) for one in answers)
    return {wanted: _total(one for one in answers if name(one) == wanted) for wanted in names}


def _line(recorded: RecordedEvent, event: TurnAnswered) -> UsageLine:
    return UsageLine(
        turn=event.turn,
        phase=event.phase,
        model=event.model,
        at=recorded.at,
        usage=usage_view(event.usage),
        cost_usd=event.cost_usd,
        seconds=event.seconds,
    )


def _total(answers: Iterable[TurnAnswered]) -> UsageTotal:
    usage, cost, seconds, count = Usage(), 0.0, 0.0, 0
    for one in answers:
        usage, cost, seconds, count = usage.plus(one.usage), cost + one.cost_usd, seconds + one.seconds, count + 1
    return UsageTotal(answers=count, usage=usage_view(usage), cost_usd=round(cost, 9), seconds=round(seconds, 3))
