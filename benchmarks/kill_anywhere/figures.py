"""What was lost, doubled and done again, and how soon runs moved on."""

import math
import time
from bisect import bisect_right
from collections import Counter
from collections.abc import Callable, Sequence
from typing import Any

from benchmarks.kill_anywhere.kills import BOUNDARY, LOST_HOST, RESTARTED, gravity
from benchmarks.kill_anywhere.resumed import Sample, quantile
from benchmarks.kill_anywhere.trace import Trace
from benchmarks.kill_anywhere.trial import Outcome
from domain.value import Value

LONG_WAIT_SECONDS = 20.0
Figures = dict[str, Any]
MOST = ("redone, most by run and kill", "longest of these")
"""Of several sittings the highest counts; what else is a number adds up, and lists are joined."""
UNITED = ("boundaries", "killed at")


class KillRecord(Value):
    kind: str
    where: str
    at: float
    since: float
    redone: int
    samples: tuple[Sample, ...]


def figures(outcome: Outcome) -> Figures:
    traces, ideal = outcome.traces, outcome.ideal
    done = [one for one in traces if one.finished]
    per_kill = Counter(key for trace in traces for key in _redone_by_kill(outcome, trace))
    found: Figures = {
        "system": outcome.name,
        "seconds": round(outcome.seconds, 1),
        "injections": len(outcome.injected),
        "runs": len(traces),
        "finished": len(done),
        "lost": len(traces) - len(done),
        "other files": sum(_differs(one, ideal[one.work.name]) for one in done),
        "effects doubled": sum(one.doubled for one in traces),
        "effects missing": sum(one.missing for one in done),
        "model calls": sum(len(one.asked) for one in traces),
        "of these over one a turn": sum(one.wasted for one in traces),
        "asked again though recorded": sum(one.asked_again for one in traces),
        "write calls": sum(one.writes for one in traces),
        "redone": sum(len(one.redone) for one in traces),
        "redone, most by run and kill": max(per_kill.values(), default=0),
        "orphans": len(outcome.orphans),
        "silent over 20 s, shown as running": sum(one.unexplained > LONG_WAIT_SECONDS for one in traces),
        "longest of these": round(max((one.unexplained for one in traces), default=0.0), 1),
        "states that wait for nothing": sum(bool(one.unreasoned) for one in traces),
        "boundaries": outcome.boundaries,
        "killed at": sorted({one.where for one in outcome.injected} & set(outcome.boundaries)),
        "not reached": outcome.missed,
        "wrong": [_told(outcome, one) for one in traces if _is_wrong(one, ideal[one.work.name])],
        "redone by kill": [[*key, times] for key, times in per_kill.items()],
        "undisturbed": [[name, one.status, len(one.asked), one.writes] for name, one in ideal.items()],
        "left": outcome.orphans,
        "kills": [one.model_dump() for one in _kills(outcome)],
    }
    return tabled(found)


def united(parts: Sequence[Figures]) -> Figures:
    """Of several sittings of one system."""
    found: Figures = {"system": parts[0]["system"]}
    for name, value in parts[0].items():
        values = [one[name] for one in parts]
        if name in MOST:
            found[name] = max(values)
        elif name in UNITED:
            found[name] = sorted({item for value in values for item in value})
        elif isinstance(value, int | float):
            found[name] = round(sum(values), 1)
        elif isinstance(value, list):
            found[name] = [item for value in values for item in value]
    return tabled(found)


def tabled(found: Figures) -> Figures:
    """With what follows from the kills, over all that there were."""
    kills = [KillRecord.model_validate(one) for one in found["kills"]]
    groups: dict[str, Callable[[KillRecord], bool]] = {
        "a worker restarts on its host": lambda one: one.kind in RESTARTED and not one.where.startswith("API"),
        "a host is lost": lambda one: one.kind in LOST_HOST,
    }
    kinds = sorted({one.kind for one in kills})
    return {
        **found,
        "named boundaries": len(found["boundaries"]),
        "of these killed at": len(found["killed at"]),
        "in all": {name: _of([one for one in kills if holds(one)]) for name, holds in groups.items()},
        "by kind": {kind: _of([one for one in kills if one.kind == kind]) for kind in kinds},
        "by boundary": {
            name: _of([one for one in kills if (one.kind, one.where) == (BOUNDARY, name)])
            for name in found["boundaries"]
        },
    }


def _kills(outcome: Outcome) -> list[KillRecord]:
    redone = Counter(number for trace in outcome.traces for _, number in _redone_by_kill(outcome, trace))
    return [
        KillRecord(
            kind=one.kind,
            where=one.where,
            at=round(one.at, 2),
            since=round(one.since, 2),
            redone=redone[number],
            samples=tuple(_samples(outcome, number - 1)),
        )
        for number, one in enumerate(outcome.injected, 1)
    ]


def _samples(outcome: Outcome, number: int) -> list[Sample]:
    """Seconds from the kill to the next event, of the runs that were under way."""
    kills = outcome.injected
    since = kills[number].since
    watched = max(kills[number + 1].at - since, 0.0) if number + 1 < len(kills) else math.inf
    graver = [one.at for one in kills[:number] if gravity(one.kind) > gravity(kills[number].kind)]
    found: list[Sample] = []
    for trace in outcome.traces:
        after = trace.resumed_after(since)
        if after is not None:
            stood = bool(graver) and trace.last_moved(kills[number].at) < graver[-1]
            found.append(Sample(seconds=round(min(after, watched), 3), moved=after <= watched, stood=stood))
    return found


def _of(kills: Sequence[KillRecord]) -> Figures:
    every = [sample for one in kills for sample in one.samples]
    samples = [one for one in every if not one.stood]
    moved = [one.seconds for one in samples if one.moved]
    return {
        "injections": len(kills),
        "runs hit": len(every),
        "stood already": len(every) - len(samples),
        "killed again first": len(samples) - len(moved),
        "redone": sum(one.redone for one in kills),
        "p50": _rounded(quantile(samples, 0.5)),
        "p95": _rounded(quantile(samples, 0.95)),
        "max": _rounded(max(moved, default=None)),
    }


def _rounded(seconds: float | None) -> float | None:
    return None if seconds is None else round(seconds, 2)


def _differs(trace: Trace, ideal: Trace) -> bool:
    # With a repository, git's index has times in it: the snapshot's id is another one each time.
    same_snapshot = trace.work.repository or trace.snapshot == ideal.snapshot
    return trace.files != ideal.files or not same_snapshot


def _is_wrong(trace: Trace, ideal: Trace) -> bool:
    wrong = not trace.finished or trace.doubled or trace.missing or trace.asked_again or _differs(trace, ideal)
    return bool(wrong or trace.unreasoned) or trace.unexplained > LONG_WAIT_SECONDS


def _told(outcome: Outcome, trace: Trace) -> Figures:
    """With the numbers of the kills during its life."""
    names = ("name", "run_id", "status", "doubled", "missing", "asked_again", "unreasoned", "why")
    said = {name: getattr(trace, name) for name in names}
    other = trace.finished and _differs(trace, outcome.ideal[trace.work.name])
    until = trace.ended or time.time()
    kills = [number for number, one in enumerate(outcome.injected, 1) if trace.began <= one.at <= until]
    return {
        **said,
        "asked after it was recorded": trace.late_questions,
        "other files": other,
        "unexplained": round(trace.unexplained, 1),
        "kills": kills,
    }


def _redone_by_kill(outcome: Outcome, trace: Trace) -> list[tuple[str, int]]:
    return [(trace.name, number) for number in redone_by_kill([one.at for one in outcome.injected], trace)]


def redone_by_kill(kills: Sequence[float], trace: Trace) -> list[int]:
    """The number of the kill for each write that was done again, from 1 on; 0 is before the first. Of the kills in the
    run's life it is the last one that none is put down to yet: what dies with a call may die again before that is made
    again. One has two where there were more of them than kills."""
    first = bisect_right(kills, trace.began)
    found: list[int] = []
    for at in sorted(trace.redone):
        last = bisect_right(kills, at)
        found.append(next((number for number in range(last, first, -1) if number not in found), last))
    return found
