"""What the model is shown."""

from datetime import UTC, datetime
from itertools import pairwise

from hypothesis import given
from hypothesis import strategies as st

from domain.conversation import Conversation, conversation
from domain.event import Event, MessageReceived, NoteAdded, RunStarted, ToolReturned, TurnAnswered
from domain.model import AssistantMessage, Message, Text, ToolCall, ToolMessage, Usage, UserMessage
from domain.record import RecordedEvent
from domain.run import Phase
from domain.tool import ToolResult

AT = datetime(2030, 1, 1, tzinfo=UTC)


def journal(*events: Event) -> list[RecordedEvent]:
    return [RecordedEvent(run_id="r", seq=seq, key=f"k{seq}", at=AT, event=one) for seq, one in enumerate(events, 1)]


def answered(turn: int, calls: int = 0, phase: Phase = "work") -> TurnAnswered:
    made = tuple(ToolCall(id=f"call_{turn}_{at}", name=f"tool{at}", arguments="{}") for at in range(calls))
    message = AssistantMessage(blocks=(Text(text=f"answer {turn}"), *made))
    return TurnAnswered(turn=turn, phase=phase, message=message, stop="end", model="m", usage=Usage(), cost_usd=0.0)


def returned(turn: int, index: int, call: str = "") -> ToolReturned:
    return ToolReturned(
        call=call or f"turn/{turn}/call/{index}",
        name=f"tool{index}",
        subject="",
        attempt=1,
        result=ToolResult(text=f"result {turn}.{index}"),
    )


def heard(turn: int, text: str, phase: Phase = "work") -> MessageReceived:
    return MessageReceived(message_id=text, turn=turn, phase=phase, text=text, by="ada")


def noted(turn: int, text: str, phase: Phase = "work") -> NoteAdded:
    return NoteAdded(turn=turn, phase=phase, text=text)


def texts(messages: tuple[Message, ...]) -> list[str]:
    return [one.text for one in messages]


def test_a_turn_is_messages_then_notes_then_the_answer_then_results_by_index() -> None:
    events = journal(
        noted(1, "note"), heard(1, "first"), heard(1, "second"), answered(1, 2), returned(1, 1), returned(1, 0)
    )
    found = conversation(events, "work", "the task")
    assert texts(found) == ["the task", "first", "second", "note", "answer 1", "result 1.0", "result 1.1"]
    assert found[-2:] == (
        ToolMessage(call_id="call_1_0", name="tool0", text="result 1.0"),
        ToolMessage(call_id="call_1_1", name="tool1", text="result 1.1"),
    )


def test_what_was_said_since_the_last_turn_waits_at_the_end() -> None:
    events = journal(answered(1, 1), heard(2, "steer"), returned(1, 0))
    assert texts(conversation(events, "work", "t")) == ["t", "answer 1", "result 1.0", "steer"]


def test_a_message_that_came_while_its_turn_was_answered_is_read_before_the_next() -> None:
    events = journal(answered(1), heard(1, "too late for 1"), answered(2))
    assert texts(conversation(events, "work", "t")) == ["t", "answer 1", "too late for 1", "answer 2"]


def test_each_phase_has_its_own_conversation() -> None:
    events = journal(
        heard(1, "about the plan", "plan"), answered(1, 1, "plan"), returned(1, 0), noted(2, "go"), answered(2)
    )
    assert texts(conversation(events, "plan", "t")) == ["t", "about the plan", "answer 1", "result 1.0"]
    assert texts(conversation(events, "work", "t")) == ["t", "go", "answer 2"]
    assert conversation(events, "verify", "t") == (UserMessage(text="t"),)


def test_checks_and_setup_are_not_part_of_the_conversation() -> None:
    events = journal(answered(1, 1), returned(1, 0), returned(1, 0, "verify/1/call/0"), returned(1, 0, "setup/call/0"))
    assert texts(conversation(events, "work", "t")) == ["t", "answer 1", "result 1.0"]


@st.composite
def turns(draw: st.DrawFn) -> list[list[Event]]:
    """Events of each turn, complete: all its results are there, in any order."""
    made: list[list[Event]] = []
    for turn in range(1, draw(st.integers(1, 8)) + 1):
        phase: Phase = draw(st.sampled_from(["plan", "work"]))
        before: list[Event] = [
            heard(turn, f"m{turn}.{at}", phase) if draw(st.booleans()) else noted(turn, f"n{turn}.{at}", phase)
            for at in range(draw(st.integers(0, 3)))
        ]
        calls = draw(st.integers(0, 3))
        results: list[Event] = [returned(turn, index) for index in draw(st.permutations(range(calls)))]
        late: list[Event] = [heard(turn, f"late{turn}", phase)] if draw(st.booleans()) else []
        made.append([*before, answered(turn, calls, phase), *late, RunStarted(), *results])
    return made


@given(turns(), st.sampled_from(["plan", "work"]), st.data())
def test_a_longer_journal_only_adds_at_the_end(made: list[list[Event]], phase: Phase, data: st.DataObject) -> None:
    cut = data.draw(st.integers(0, len(made)))
    whole = journal(*(event for turn in made for event in turn))
    shorter = whole[: sum(len(turn) for turn in made[:cut])]
    before = conversation(shorter, phase, "t")
    after = conversation(whole, phase, "t")
    settled = before[: _after_last_result(before)]
    assert after[: len(settled)] == settled
    # What nobody has answered yet may get company, yet none of it is lost.
    assert set(texts(before)) <= set(texts(after))


@given(turns(), st.sampled_from(["plan", "work"]))
def test_what_a_model_was_asked_is_the_beginning_of_what_it_is_asked_next(
    made: list[list[Event]], phase: Phase
) -> None:
    """The request of a turn is the conversation just before its answer: each is a prefix of the later ones."""
    kept = Conversation()
    requests: list[tuple[Message, ...]] = []
    for recorded in journal(*(event for turn in made for event in turn)):
        if isinstance(recorded.event, TurnAnswered) and recorded.event.phase == phase:
            requests.append(kept.messages(phase, "t"))
        kept.take(recorded)
    requests.append(kept.messages(phase, "t"))
    for earlier, later in pairwise(requests):
        assert later[: len(earlier)] == earlier


@given(turns(), st.sampled_from(["plan", "work"]))
def test_folding_step_by_step_is_folding_at_once(made: list[list[Event]], phase: Phase) -> None:
    kept = Conversation()
    events = journal(*(event for turn in made for event in turn))
    for at, recorded in enumerate(events, 1):
        kept.take(recorded)
        assert kept.messages(phase, "t") == conversation(events[:at], phase, "t")


def _after_last_result(messages: tuple[Message, ...]) -> int:
    """The length of what is settled: without what waits unread at the end."""
    ends = [at for at, one in enumerate(messages, 1) if not isinstance(one, UserMessage)]
    return max(ends, default=1)
