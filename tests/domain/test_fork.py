"""Where a run can be forked, by its events alone."""

from datetime import UTC, datetime, timedelta

import pytest

from domain.child import ChildEnd
from domain.errors import Conflict, InvalidRequest
from domain.event import Event, LimitsRaised, RunSubmitted, ToolReturned, TurnAnswered, WorkspaceOpened
from domain.fork import Cut, Trail
from domain.limits import Limits, Spent
from domain.model import AssistantMessage, Text, ToolCall, Usage
from domain.record import RecordedEvent
from domain.run import RunSpec
from domain.sandbox import Enforcement
from domain.snapshot import SnapshotRef
from domain.tool import ToolResult

BEGAN = datetime(2031, 1, 1, tzinfo=UTC)
WALLS = Enforcement(sandbox="none", network="open", memory="none", processes="none", cpu="none", disk="none")


def answered(turn: int, *tools: str) -> tuple[str, Event]:
    calls = tuple(ToolCall(id=f"call_{turn}_{at}", name=name, arguments="{}") for at, name in enumerate(tools))
    event = TurnAnswered(
        turn=turn,
        phase="work",
        message=AssistantMessage(blocks=(Text(text="so"), *calls)),
        stop="tool_calls" if tools else "end",
        model="a",
        usage=Usage(input_tokens=10, cache_read_tokens=100, output_tokens=5),
        cost_usd=0.5,
    )
    return f"turn/{turn}", event


def returned(call: str, snapshot: str, finished: bool = False) -> tuple[str, Event]:
    event = ToolReturned(
        call=call,
        name="bash",
        subject="make",
        attempt=1,
        result=ToolResult(text="done"),
        snapshot=SnapshotRef(id=snapshot, base="empty"),
        todo=({"text": call},),
        finished=finished,
    )
    return f"{call}/returned", event


def opened(generation: int, snapshot: str) -> tuple[str, Event]:
    ref = SnapshotRef(id=snapshot, base="empty")
    return f"workspace/{generation}", WorkspaceOpened(
        host_id="h", generation=generation, snapshot=ref, enforcement=WALLS
    )


SUBMITTED = ("submitted", RunSubmitted(spec=RunSpec(task="t"), model="scripted:a", owner="ada"))
WORK = (
    SUBMITTED,
    opened(1, "s0"),
    answered(1, "bash", "bash", "bash"),
    returned("turn/1/call/0", "s1"),
    returned("turn/1/call/2", "s2"),
    returned("turn/1/call/1", "s3"),
    opened(2, "s3"),
    # Of a host that hung while it opened, and says so late.
    ("limits/1/turns", LimitsRaised(limits=Limits(turns=7), by="ada")),
    answered(2, "finish"),
    returned("turn/2/call/0", "s4", finished=True),
    answered(3),
    answered(4, "bash", "read"),
    returned("turn/4/call/0", "s5"),
)


def trail(*events: tuple[str, Event]) -> Trail:
    made = Trail()
    made.take(
        RecordedEvent(run_id="r", seq=seq, key=key, at=BEGAN + timedelta(seconds=seq), event=event)
        for seq, (key, event) in enumerate(events, 1)
    )
    return made


def standing(cut: Cut) -> tuple[int, int, str, bool]:
    return cut.turn, cut.answered, cut.snapshot.id, cut.finished


@pytest.mark.parametrize(
    ("at", "seq", "expected"),
    [
        ("turn/1", 6, (1, 1, "s3", False)),
        ("turn/1/call/0", 4, (0, 1, "s1", False)),
        ("turn/1/call/2", 5, (0, 1, "s2", False)),
        ("turn/1/call/1", 6, (1, 1, "s3", False)),
        ("turn/2", 10, (2, 2, "s4", True)),
        ("turn/3", 11, (3, 3, "s4", False)),
        ("turn/4/call/0", 13, (3, 4, "s5", False)),
        (None, 13, (3, 4, "s5", False)),
    ],
)
def test_a_point_is_what_was_committed_then(at: str | None, seq: int, expected: tuple[int, int, str, bool]) -> None:
    cut = trail(*WORK).cut(at)
    assert (cut.seq, standing(cut)) == (seq, expected)


def test_what_was_asked_for_and_not_made_is_named() -> None:
    cut = trail(*WORK).cut("turn/1/call/2")
    assert cut.unmade == (("turn/1/call/1", "bash"),)
    assert trail(*WORK).cut("turn/3").silent


def test_limits_and_what_was_spent_are_those_of_the_point() -> None:
    before, after = trail(*WORK).cut("turn/1"), trail(*WORK).cut("turn/2")
    assert (before.limits.turns, after.limits.turns) == (100, 7)
    assert (after.spent.turns, after.spent.tokens, after.spent.cost_usd) == (2, 30, 1.0)
    # The fourth turn is gone through again, and counted then.
    again = trail(*WORK).cut("turn/4/call/0")
    assert (again.spent.turns, again.last.cost_usd) == (4, 0.5)
    assert after.marks == {"todo": "turn/2/call/0/returned"}


def test_the_newest_point_is_the_last_one_that_is_committed() -> None:
    assert trail(*WORK[:3]).cut is not None
    assert trail(*WORK[:-1]).cut().at == "turn/3"
    assert trail(*WORK[:4]).cut().at == "turn/1/call/0"


def test_a_host_that_says_late_where_it_opened_changes_nothing() -> None:
    late = (SUBMITTED, opened(2, "s1"), answered(1, "bash"), returned("turn/1/call/0", "s2"), opened(1, "s0"))
    assert trail(*late).cut().snapshot.id == "s2"


@pytest.mark.parametrize("at", ["", "turn", "turn/0", "turn/1/", "turn/1/call/01", "verify/1", "turn/1/call/0\n"])
def test_what_is_no_point_is_refused(at: str) -> None:
    with pytest.raises(InvalidRequest, match="no point"):
        trail(*WORK).cut(at)


@pytest.mark.parametrize("at", ["turn/9", "turn/9/call/0", "turn/1/call/3"])
def test_a_point_that_is_not_there_is_refused(at: str) -> None:
    with pytest.raises(InvalidRequest):
        trail(*WORK).cut(at)


@pytest.mark.parametrize("at", ["turn/4", "turn/4/call/1"])
def test_a_point_inside_an_unfinished_call_is_refused(at: str) -> None:
    with pytest.raises(Conflict, match="turn/4/call/1 has not returned"):
        trail(*WORK).cut(at)


def test_a_run_that_has_no_workspace_or_no_turn_cannot_be_forked_yet() -> None:
    with pytest.raises(Conflict, match="no workspace"):
        trail(SUBMITTED).cut()
    for events in (WORK[:2], WORK[:3]):
        with pytest.raises(Conflict, match="no turn"):
            trail(*events).cut()


def test_what_a_child_used_counts_from_the_call_on_that_asked_for_it() -> None:
    key, event = returned("turn/1/call/0", "s1")
    assert isinstance(event, ToolReturned)
    end = ChildEnd(run_id="c", snapshot_id="s1", spent=Spent(turns=3, tokens=30, cost_usd=1.5))
    calls = (key, event.model_copy(update={"child": end})), returned("turn/1/call/1", "s2")
    found = trail(SUBMITTED, opened(1, "s0"), answered(1, "delegate", "bash"), *calls, answered(2))
    assert found.cut("turn/1/call/0").spent == Spent(turns=4, tokens=45, cost_usd=2.0)
    assert found.cut("turn/2").spent == Spent(turns=5, tokens=60, cost_usd=2.5)
