"""What of an event is masked before it is recorded."""

from domain.event import MessageReceived, RulesRead, ToolReturned, TurnAnswered
from domain.masking import masked_commit, masked_event, masked_live, masked_submission
from domain.model import AssistantMessage, Text, ToolCall, Usage
from domain.ports.journal import CallCommit, Submission
from domain.record import LiveDelta, NewEvent
from domain.run import RunSpec
from domain.secrets import Mask
from domain.tool import ToolResult

KNOWN = 'plant-"7f3/a+b=Zq'
LOOKS = "ghp_q7Zp2Lx9Vb4Nf8Rt1Kd6Wm3Hs5Yc0Jgabcd5"
MASK = Mask([KNOWN])


def returned(text: str) -> NewEvent:
    result = ToolResult(text=text)
    event = ToolReturned(call="turn/1/call/0", name="bash", subject="env", attempt=1, result=result)
    return NewEvent(key="turn/1/call/0/returned", event=event)


def test_an_event_without_secrets_is_the_same_object() -> None:
    event = returned("nothing here")
    assert masked_event(event, MASK) is event


def test_what_a_tool_said_is_masked_of_all_that_looks_like_a_secret() -> None:
    event = masked_event(returned(f"{LOOKS} {KNOWN}"), MASK).event
    assert isinstance(event, ToolReturned)
    assert event.result.text == "[secret: github token] [secret: credential of the stack]"


def test_what_the_repository_tells_the_model_is_masked() -> None:
    event = masked_event(NewEvent(key="rules", event=RulesRead(path="AGENTS.md", text=f"use {LOOKS}")), MASK).event
    assert isinstance(event, RulesRead)
    assert LOOKS not in event.text


def test_what_a_model_wrote_is_kept_but_for_known_secrets() -> None:
    call = ToolCall(id="call_1_0", name="bash", arguments=f'{{"command": "echo {LOOKS} plant-\\"7f3/a+b=Zq"}}')
    answered = TurnAnswered(
        turn=1,
        phase="work",
        message=AssistantMessage(blocks=(Text(text=KNOWN), call)),
        stop="tool_calls",
        model="scripted:a",
        usage=Usage(),
        cost_usd=0.0,
        seconds=0.0,
    )
    stored = masked_event(NewEvent(key="turn/1", event=answered), MASK).model_dump_json()
    assert LOOKS in stored
    assert "7f3/a+b=Zq" not in stored


def test_what_a_person_wrote_is_kept_but_for_known_secrets() -> None:
    told = MessageReceived(message_id="m", turn=1, phase="work", text=f"{KNOWN} {LOOKS}", by="me")
    event = masked_event(NewEvent(key="message/m", event=told), MASK).event
    assert isinstance(event, MessageReceived)
    assert event.text == f"[secret: credential of the stack] {LOOKS}"
    submission = Submission(run_id="r", spec=RunSpec(task=f"Use {KNOWN}"), model="scripted:a", owner="me")
    assert KNOWN not in masked_submission(submission, MASK).spec.task


def test_a_commit_and_live_text_are_masked() -> None:
    commit = CallCommit(call="c", attempt=1, generation=1, started_from="", returned=returned(KNOWN))
    assert KNOWN not in masked_commit(commit, MASK).returned.model_dump_json()
    live = LiveDelta(run_id="r", turn=1, attempt=1, kind="text", text=f"so {KNOWN}")
    assert masked_live(live, MASK).text == "so [secret: credential of the stack]"
