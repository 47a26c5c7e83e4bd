"""What was lost, doubled and done again, and how soon runs moved on."""

import statistics
import time
from bisect import bisect_right
from collections import Counter
from typing import Any

from benchmarks.kill_anywhere.kills import Injected
from benchmarks.kill_anywhere.trace import Trace
from benchmarks.kill_anywhere.trial import Outcome

LONG_WAIT_SECONDS = 20.0
Figures = dict[str, Any]


def figures(outcome: Outcome) -> Figures:
    traces, ideal = outcome.traces, outcome.ideal
    done = [one for one in traces if one.finished]
    per_kill = Counter(key for trace in traces for key in _redone_by_kill(outcome, trace))
    return {
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
        "named boundaries": len(outcome.boundaries),
        "of these killed at": len({one.where for one in outcome.injected} & set(outcome.boundaries)),
        "by kind": {kind: _of_kind(outcome, kind) for kind in sorted({one.kind for one in outcome.injected})},
        "by boundary": {name: _of_boundary(outcome, name) for name in outcome.boundaries},
        "not reached": outcome.missed,
        "wrong": [_told(outcome, one) for one in traces if _is_wrong(one, ideal[one.work.name])],
        "redone by kill": [(*key, times) for key, times in per_kill.items()],
        "undisturbed": {name: (one.status, len(one.asked), one.writes) for name, one in ideal.items()},
        "left": outcome.orphans,
        "kills": [(one.kind, one.where, round(one.at, 2), round(one.since, 2)) for one in outcome.injected],
    }


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
    return {**said, "other files": other, "unexplained": round(trace.unexplained, 1), "kills": kills}


def _redone_by_kill(outcome: Outcome, trace: Trace) -> list[tuple[str, int]]:
    begins = [one.at for one in outcome.injected]
    return [(trace.name, bisect_right(begins, at)) for at in trace.redone]


def _of_kind(outcome: Outcome, kind: str) -> Figures:
    return _of_kills(outcome, [pair for pair in enumerate(outcome.injected) if pair[1].kind == kind])


def _of_boundary(outcome: Outcome, name: str) -> Figures:
    return _of_kills(outcome, [pair for pair in enumerate(outcome.injected) if pair[1].where == name])


def _of_kills(outcome: Outcome, kills: list[tuple[int, Injected]]) -> Figures:
    """Seconds from the kill to the next event, over all runs that were under way; calls redone until the next kill."""
    after = [trace.resumed_after(one.since) for _, one in kills for trace in outcome.traces]
    resumed = sorted(one for one in after if one is not None)
    redone = [number for trace in outcome.traces for _, number in _redone_by_kill(outcome, trace)]
    return {
        "injections": len(kills),
        "runs hit": len(resumed),
        "redone": sum(number - 1 == kill for number in redone for kill, _ in kills),
        "p50": round(statistics.median(resumed), 2) if resumed else None,
        "p95": round(resumed[min(int(len(resumed) * 0.95), len(resumed) - 1)], 2) if resumed else None,
        "max": round(resumed[-1], 2) if resumed else None,
    }
