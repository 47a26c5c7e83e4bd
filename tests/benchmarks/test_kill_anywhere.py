"""The short form of benchmarks/kill_anywhere: some runs, ten kills, nothing lost and nothing twice."""

from pathlib import Path

import pytest

from benchmarks.kill_anywhere.figures import figures
from benchmarks.kill_anywhere.kills import KINDS, SWEEP, Injection, plan
from benchmarks.kill_anywhere.perdure import Perdure
from benchmarks.kill_anywhere.trace import Trace
from benchmarks.kill_anywhere.trial import Load, trial
from benchmarks.kill_anywhere.work import ASKING, EVERYTHING, PULLING, PUSHING, READING, SHORT
from benchmarks.kill_anywhere.world import world

QUICK = (
    "worker killed",
    "worker told to stop",
    "worker killed, disk lost",
    "API killed",
    "Postgres killed",
    "Temporal killed",
    "all killed",
    "forge's answer lost",
)


LEAVES_A_TRACE = "^(API|journal|model|blobs|workspace (seal|apply)|repository push|forge open|activity .* done)"
"""Journal writes, providers' answers, snapshots, remote calls, ends of activities; the long form has more."""
PATIENCE_SECONDS = 600.0
"""A machine that others use, too, loses no run by being slow."""


def test_a_seed_gives_the_same_kills_again_and_every_kind_of_them() -> None:
    assert plan(50, 3) == plan(50, 3)
    assert plan(50, 3) != plan(50, 4)
    assert {one.kind for one in plan(22, 5)} == set(KINDS)


def test_a_trace_knows_what_was_asked_again_and_when_a_run_moved_on() -> None:
    trace = Trace("one", PUSHING, began=10.0, ended=20.0, progress=[10.0, 12.0, 15.0, 20.0], person=[(12.0, 14.0)])
    trace.asked, trace.recorded = [("a", 10.5), ("b", 12.5), ("b", 13.0), ("a", 14.0)], {"a": 12.0, "b": 15.0}
    trace.updates = 2
    assert (trace.wasted, trace.asked_again, trace.doubled, trace.missing) == (2, 1, 1, 0)
    assert [trace.resumed_after(at) for at in (9.0, 11.0, 13.0, 14.5, 21.0)] == [None, 1.0, None, 0.5, None]


@pytest.mark.timeout(1800)
async def test_runs_outlive_kills_of_every_part(open_directory: Path) -> None:
    home = open_directory / "killed"
    home.mkdir(mode=0o711)
    # Half as many runs as kinds of work: they overlap, and end soon after the last kill.
    load = Load(works=(PUSHING, SHORT, PULLING, READING, ASKING), at_once=3, patience=PATIENCE_SECONDS)
    kills = [Injection(one.kind, one.after / 4) for one in plan(10, 4, QUICK)]
    async with world(home) as outside:
        found = figures(await trial(Perdure(home, outside), outside, kills, load, print))
    assert found["injections"] == 10
    assert found["runs"] > 3
    wanted = ("lost", "other files", "effects doubled", "effects missing", "asked again though recorded", "orphans")
    assert {name: found[name] for name in wanted} == dict.fromkeys(wanted, 0), found
    assert found["redone, most by run and kill"] <= 1, found


@pytest.mark.timeout(1800)
async def test_a_worker_may_die_before_and_after_all_that_leaves_a_trace(open_directory: Path) -> None:
    home = open_directory / "swept"
    home.mkdir(mode=0o711)
    async with world(home) as outside:
        load = Load(works=(EVERYTHING,), at_once=1, boundaries=LEAVES_A_TRACE, patience=PATIENCE_SECONDS)
        system = Perdure(home, outside)
        found = figures(await trial(system, outside, [Injection(SWEEP, 0.1)], load, print))
    assert found["injections"] > 40, found
    assert found["not reached"] == []
    wanted = ("lost", "other files", "effects doubled", "effects missing", "asked again though recorded", "orphans")
    assert {name: found[name] for name in wanted} == dict.fromkeys(wanted, 0), found
    assert found["redone, most by run and kill"] <= 1, found
