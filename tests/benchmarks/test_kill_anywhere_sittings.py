"""The long form's arithmetic: percentiles over all that there was, and sittings that add up."""

import json
from collections.abc import Sequence
from pathlib import Path

from benchmarks.kill_anywhere.figures import Figures, figures, redone_by_kill, tabled, united
from benchmarks.kill_anywhere.kills import KINDS, Injected, plan
from benchmarks.kill_anywhere.resumed import Sample, quantile
from benchmarks.kill_anywhere.sittings import Record, Wanted, planned
from benchmarks.kill_anywhere.trace import Trace
from benchmarks.kill_anywhere.trial import Outcome
from benchmarks.kill_anywhere.work import WORKS


def moved(*seconds: float) -> list[Sample]:
    return [Sample(seconds=one, moved=True) for one in seconds]


def sitting(kind: str, seconds: Sequence[float], redone: int = 0) -> Figures:
    samples = [one.model_dump() for one in moved(*seconds)]
    kill = {"kind": kind, "where": "", "at": 1.0, "since": 1.0, "redone": redone, "samples": samples}
    counts: Figures = {"system": "Perdure", "injections": 1, "redone, most by run and kill": redone}
    return tabled({**counts, "wrong": [], "boundaries": ["a"], "killed at": [], "kills": [kill]})


def test_percentiles_are_those_of_the_samples_where_nobody_was_killed_again() -> None:
    samples = moved(*(number / 10 for number in range(1, 101)))
    assert [quantile(samples, share) for share in (0.5, 0.95)] == [5.0, 9.5]
    assert quantile([], 0.5) is None


def test_a_run_that_was_killed_again_first_makes_no_percentile_smaller() -> None:
    watched = [*moved(1.0, 2.0, 3.0, 8.0), Sample(seconds=2.5, moved=False)]
    assert quantile(watched, 0.5) == 3.0
    assert quantile(moved(1.0, 2.0, 3.0, 8.0), 0.5) == 2.0
    # It has stood for as long as it was seen to stand; for how long in all nobody knows.
    assert quantile([Sample(seconds=2.5, moved=False)], 0.5) is None


def test_what_still_waits_for_a_graver_kill_is_not_put_down_to_a_lesser_one() -> None:
    waits = Trace("waits", WORKS[0], began=0.0, ended=60.0, progress=[1.0, 30.0, 33.0, 60.0])
    moves = Trace("moves", WORKS[0], began=0.0, ended=60.0, progress=[1.0, 15.0, 21.0, 60.0])
    kinds = (("worker killed, disk lost", 10.0), ("worker killed", 20.0), ("worker killed, disk lost", 28.0))
    injected = [Injected(kind, at, at) for kind, at in kinds]
    found = figures(Outcome("Perdure", {WORKS[0].name: waits}, [waits, moves], injected, 60.0))
    restarts = found["in all"]["a worker restarts on its host"]
    assert [restarts[name] for name in ("runs hit", "stood already", "killed again first", "max")] == [2, 1, 0, 1.0]
    lost = found["in all"]["a host is lost"]
    assert [lost[name] for name in ("runs hit", "stood already", "killed again first", "max")] == [4, 0, 1, 32.0]


def test_sittings_add_up_and_their_percentiles_are_over_all_samples() -> None:
    parts = [sitting("worker killed", [1.0, 1.0, 1.0], redone=1), sitting("worker killed", [5.0])]
    found = united(parts)
    assert (found["injections"], found["redone, most by run and kill"], found["boundaries"]) == (2, 1, ["a"])
    of_kind = found["by kind"]["worker killed"]
    assert [of_kind[name] for name in ("injections", "runs hit", "redone", "p50", "max")] == [2, 4, 1, 1.0, 5.0]
    assert found["in all"]["a worker restarts on its host"]["injections"] == 2


def test_a_write_that_is_done_again_is_put_down_to_a_kill_of_its_own() -> None:
    trace = Trace("run", WORKS[0], began=10.0, redone=[23.0, 22.0, 40.0])
    assert redone_by_kill([5.0, 15.0, 20.0, 30.0], trace) == [3, 2, 4]
    assert redone_by_kill([5.0, 20.0, 50.0], trace) == [2, 2, 2]


def test_whoever_goes_on_makes_what_is_left_with_seeds_of_its_own(tmp_path: Path) -> None:
    wanted = Wanted(systems=("perdure",), injections=5, seed=3, at_once=2, size=2, minutes=1.0, rest=())
    record = Record.read(tmp_path / "figures.json")
    assert list(planned(wanted, record, "perdure")) == [(0, 2), (1, 2), (2, 1)]
    record.add(wanted, "perdure", 1, sitting("API killed", [1.0]))
    again = Record.read(tmp_path / "figures.json")
    assert list(planned(wanted, again, "perdure")) == [(0, 2), (2, 2)]
    assert json.loads((tmp_path / "figures.json").read_text())["systems"][0]["by kind"].keys() == {"API killed"}


def test_another_pace_changes_nothing_but_the_pauses() -> None:
    usual, quick = plan(40, 3), plan(40, 3, pace=0.25)
    assert [(one.kind, one.passing) for one in usual] == [(one.kind, one.passing) for one in quick]
    assert max(one.after for one in quick) <= 1.0
    assert {one.kind for one in plan(22, 5)} == set(KINDS)
