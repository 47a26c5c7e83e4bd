"""One outage, and what became of the runs in it."""

import asyncio
import time
from collections.abc import Sequence
from itertools import accumulate, count, takewhile

from temporalio.client import WorkflowFailureError
from uuid_utils import uuid7

from benchmarks.weather.sky import QUEUE, Sky
from domain.event import ModelChanged, TurnAnswered, TurnRefused
from domain.limits import Limits
from domain.ports import Submission
from domain.record import RecordedEvent
from domain.run import RunInput, RunResult, RunSpec
from domain.value import Value
from domain.weather import WeatherRules

TURNS_PER_RUN_BEFORE = 2
"""So many turns each, on average, are answered before the weather turns."""


class Outage(Value):
    runs: int
    turns: int
    seconds: float
    status: int
    cut: int
    """Answers that are broken off when it begins: begun, paid for, and not had."""
    fallback: bool
    """Whether the runs have a second model, whose provider answers."""


class Figures(Value):
    finished: int
    lost: int
    refused_calls: int
    """Made during the outage, and in vain."""
    refused_calls_alone: int
    """What as many runs would have made, each with the same waits and without knowing of the others."""
    calls: int
    """Answered, by the provider's count."""
    turns: int
    """Answered, by the journals' count."""
    wasted_calls: int
    wasted_usd: float
    spent_usd: float
    model_changes: int
    resent_tokens: int
    waits_recorded: int
    peak_per_second: int
    """Most calls in one second of the ten after the outage."""
    back_p50_seconds: float
    """From the end of the outage to a run's next answer."""
    back_p95_seconds: float
    back_max_seconds: float


async def measure(sky: Sky, outage: Outage) -> Figures:
    ids = [str(uuid7()) for _ in range(outage.runs)]
    waiting = [asyncio.create_task(_run(sky, run_id, outage)) for run_id in ids]
    await _until_asked(sky, outage.runs * TURNS_PER_RUN_BEFORE)
    began = time.time()
    sky.close(f"slow@{outage.turns}", outage.status, outage.cut)
    await asyncio.sleep(outage.seconds)
    sky.open()
    ended = time.time()
    ends = await asyncio.gather(*waiting)
    events = [await _events(sky, run_id) for run_id in ids]
    return _figures(sky, outage, (began, ended), events, sum(ends))


async def _until_asked(sky: Sky, times: int) -> None:
    """The provider counts in a thread of its own."""
    enough = False
    while not enough:
        await asyncio.sleep(0.1)
        enough = len(sky.counter.asked_at) >= times


async def _run(sky: Sky, run_id: str, outage: Outage) -> bool:
    model = f"scripted:slow@{outage.turns}"
    spec = RunSpec(task=f"{run_id}: write it down.", plan=False, publish="none", limits=Limits(turns=1000))
    fallbacks = (f"scripted:anthropic/slow-too@{outage.turns}",) if outage.fallback else ()
    wanted = Submission(run_id=run_id, spec=spec, model=model, fallback_models=fallbacks, owner="bench")
    await sky.journal.submit(wanted)
    given = RunInput(
        run_id=run_id,
        agent="coder",
        model=model,
        title=spec.task,
        plan=False,
        plan_approval=False,
        publish="none",
        publish_approval=False,
        has_repository=False,
        has_setup=False,
        verify_commands=0,
        limits=spec.limits,
        priority=3,
        owner="bench",
        repository="",
    )
    try:
        result = await sky.client.execute_workflow(
            "RunWorkflow", given, id=f"run/{run_id}", task_queue=QUEUE, result_type=RunResult
        )
    except WorkflowFailureError:
        return False
    return RunResult.model_validate(result).status == "completed"


async def _events(sky: Sky, run_id: str) -> Sequence[RecordedEvent]:
    kinds = ("turn_answered", "turn_refused", "model_changed")
    return await sky.journal.read(run_id, types=kinds, limit=100_000)


def _figures(
    sky: Sky,
    outage: Outage,
    times: tuple[float, float],
    events: Sequence[Sequence[RecordedEvent]],
    finished: int,
) -> Figures:
    began, ended = times
    every = [one.event for run in events for one in run]
    answers = [one for one in every if isinstance(one, TurnAnswered)]
    changes = [one for one in every if isinstance(one, ModelChanged)]
    spent = sum(one.cost_usd for one in answers)
    wasted = len(sky.counter.asked_at) - len(answers)
    refused = sum(began <= at <= ended for at in sky.counter.refused_at)
    back = sorted(filter(None, (_back(run, ended) for run in events)))
    after = [int(at - ended) for at in (*sky.counter.asked_at, *sky.counter.refused_at) if 0 <= at - ended < 10]
    return Figures(
        finished=finished,
        lost=outage.runs - finished,
        refused_calls=refused,
        refused_calls_alone=outage.runs * alone(sky.rules, outage.seconds),
        calls=len(sky.counter.asked_at),
        turns=len(answers),
        wasted_calls=wasted,
        wasted_usd=round(wasted * spent / max(1, len(answers)), 6),
        spent_usd=round(spent, 6),
        model_changes=len(changes),
        resent_tokens=sum(one.resent_tokens for one in changes),
        waits_recorded=sum(isinstance(one, TurnRefused) for one in every),
        peak_per_second=max((after.count(second) for second in set(after)), default=0),
        back_p50_seconds=_at(back, 0.5),
        back_p95_seconds=_at(back, 0.95),
        back_max_seconds=_at(back, 1.0),
    )


def alone(rules: WeatherRules, seconds: float) -> int:
    """Calls of one run that knows of no other, its waits doubling as ours do."""
    waits = (min(rules.longest_wait_seconds, rules.first_wait_seconds * 2 ** min(number, 30)) for number in count())
    return 1 + sum(1 for _ in takewhile(lambda at: at < seconds, accumulate(waits)))


def _back(run: Sequence[RecordedEvent], ended: float) -> float | None:
    answers = [one.at.timestamp() for one in run if isinstance(one.event, TurnAnswered)]
    return next((at - ended for at in answers if at > ended), None)


def _at(found: Sequence[float], share: float) -> float:
    return round(found[min(len(found) - 1, int(share * len(found)))], 2) if found else 0.0
