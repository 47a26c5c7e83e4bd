"""On which of its models a run stands: a fold of its events."""

from datetime import UTC, datetime, timedelta

from domain.chain import Chain
from domain.event import Event, ModelChanged, RunSubmitted, StatusChanged, TurnAnswered, TurnRefused
from domain.model import AssistantMessage, Usage
from domain.record import RecordedEvent
from domain.run import RunSpec

BEGAN = datetime(2026, 11, 1, tzinfo=UTC)
SUBMITTED = RunSubmitted(spec=RunSpec(task="t"), model="x:a", fallback_models=("x:b", "x:c"), owner="ada")


def refused(turn: int, shown: bool = False) -> TurnRefused:
    return TurnRefused(turn=turn, reason="busy", until=BEGAN, model="x:a", shown=shown)


def answered(turn: int, seconds: float = 0.0) -> TurnAnswered:
    usage = Usage(input_tokens=10, cache_read_tokens=100, output_tokens=5)
    message = AssistantMessage(blocks=())
    return TurnAnswered(
        turn=turn, phase="work", message=message, stop="end", model="a", usage=usage, cost_usd=0, seconds=seconds
    )


def chain_of(*events: Event) -> Chain:
    chain = Chain()
    for number, event in enumerate((SUBMITTED, *events), 1):
        at = BEGAN + timedelta(seconds=10 * number)
        chain.take(RecordedEvent(run_id="r", seq=number, key=str(number), at=at, event=event))
    return chain


CHANGED = ModelChanged(turn=1, phase="work", before="x:a", model="x:b", reason="busy")


def test_a_run_begins_with_the_model_that_was_asked_for() -> None:
    assert chain_of().order("x:a") == ("x:a", "x:b", "x:c")


def test_within_a_phase_it_stays_with_the_model_that_took_over() -> None:
    assert chain_of(CHANGED, answered(1)).order("x:a") == ("x:b", "x:a", "x:c")


def test_a_new_phase_begins_with_the_chains_first_again() -> None:
    entered = StatusChanged(status="running", phase="verify")
    paused = StatusChanged(status="paused")
    assert chain_of(CHANGED, answered(1), paused).order("x:a") == ("x:b", "x:a", "x:c")
    assert chain_of(CHANGED, answered(1), entered).order("x:a") == ("x:a", "x:b", "x:c")


def test_refusals_are_those_of_a_turn_that_nobody_has_answered() -> None:
    chain = chain_of(refused(1), refused(1))
    assert len(chain.refused(1)) == len(chain.refused(1, "x:a")) == 2
    assert not chain.refused(1, "x:b")
    assert not chain_of(refused(1), answered(1)).refused(1)


def test_what_a_turn_waited_is_known_once_it_is_answered() -> None:
    waited = chain_of(refused(1, shown=True), refused(1), answered(1, seconds=4)).waited[1]
    assert (waited.seconds, waited.shown) == (16, True)
    assert not chain_of(answered(1)).waited


def test_the_conversation_that_another_cache_has_not_is_counted_by_phase() -> None:
    chain = chain_of(answered(1))
    assert chain.conversation_tokens("work") == 115
    assert chain.conversation_tokens("plan") == 0
