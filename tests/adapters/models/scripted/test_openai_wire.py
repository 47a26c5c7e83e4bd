"""What the scripted Chat Completions refuse and answer."""

import copy
import json
from collections.abc import Callable
from typing import Any

import openai.types.chat as shapes
import pytest

from adapters.models.scripted import openai_wire as wire
from adapters.models.scripted.question import WireProblem
from adapters.models.scripted.script import read_script
from adapters.models.scripted.turns import Choice, choose

BODY: dict[str, Any] = {
    "model": "script",
    "stream": True,
    "stream_options": {"include_usage": True},
    "max_tokens": 100,
    "tools": [{"type": "function", "function": {"name": "bash", "parameters": {"type": "object"}}}],
    "messages": [
        {"role": "system", "content": "You work."},
        {"role": "user", "content": "Mend it"},
        {
            "role": "assistant",
            "content": None,
            "tool_calls": [
                {"id": "a", "type": "function", "function": {"name": "bash", "arguments": "{}"}},
                {"id": "b", "type": "function", "function": {"name": "bash", "arguments": "{}"}},
            ],
        },
        {"role": "tool", "tool_call_id": "b", "content": "second"},
        {"role": "tool", "tool_call_id": "a", "content": [{"type": "text", "text": "first"}]},
    ],
}
SCRIPT = read_script("""
piece_characters: 3
conversations:
  - turns:
      - text: unused
      - {text: Hello there, reasoning: Hm, calls: [{name: bash, arguments: {command: ls}}, {name: bash}]}
""")


def changed(change: Callable[[dict[str, Any]], object]) -> dict[str, Any]:
    body = copy.deepcopy(BODY)
    change(body)
    return body


def answered() -> tuple[Choice, list[dict[str, Any]]]:
    asked = wire.read(BODY)
    choice = choose(SCRIPT, asked)
    events = [event.removeprefix(b"data: ").strip() for event in wire.events(asked, choice)]
    assert events[-1] == b"[DONE]"
    return choice, [json.loads(event) for event in events[:-1]]


def test_a_question_is_read():
    asked = wire.read(BODY)
    assert (asked.turn, asked.system, asked.tools, asked.first_user) == (1, "You work.", ("bash",), "Mend it")
    assert asked.since == "second\nfirst"
    assert asked.characters > asked.cached_characters > 0
    assert asked.stream_usage


def test_the_fingerprint_is_that_of_the_conversation_whatever_its_turn():
    begun = changed(lambda body: body["messages"].__delitem__(slice(2, None)))
    other = changed(lambda body: body["messages"][1].update(content="Other"))
    assert wire.read(begun).fingerprint == wire.read(BODY).fingerprint != wire.read(other).fingerprint


@pytest.mark.parametrize(
    ("change", "told"),
    [
        (lambda body: body.pop("messages"), "messages: expected an array"),
        (lambda body: body["messages"].clear(), "at least one message"),
        (lambda body: body.update(model=7), "model: expected a string"),
        (lambda body: body.update(max_tokens=0), "max_tokens"),
        (lambda body: body.update(stream=False), "stream_options"),
        (lambda body: body["messages"].pop(), "Without a response|without a response"),
        (
            lambda body: body["messages"].insert(3, {"role": "user", "content": "x"}),
            "must be followed by tool messages",
        ),
        (lambda body: body["messages"][3].update(tool_call_id="c"), "must be a response to a preceding"),
        (lambda body: body["messages"][4].update(tool_call_id="b"), "is not waiting"),
        (lambda body: body["messages"][2].update(tool_calls=None), "content: required"),
        (lambda body: body["messages"][2].update(tool_calls=[]), "required|must not be empty"),
        (lambda body: body["messages"][2]["tool_calls"][0].update(id="x" * 41), "longer than 40"),
        (lambda body: body["messages"][2]["tool_calls"][0].update(id="b"), "used twice"),
        (lambda body: body["messages"][2]["tool_calls"][0].pop("type"), "must be 'function'"),
        (lambda body: body["messages"][2]["tool_calls"][0]["function"].update(arguments={}), "expected a string"),
        (lambda body: body["messages"][1].update(role="human"), "is not one of"),
        (lambda body: body["messages"].append({"role": "system", "content": "x"}), "after the first message"),
        (lambda body: body["messages"].append({"role": "assistant", "content": "x"}), "the last must be"),
        (lambda body: body["tools"].append(body["tools"][0]), "used twice"),
        (lambda body: body["tools"][0]["function"].update(name="ba sh"), "not a valid name"),
        (lambda body: body["tools"][0]["function"].update(parameters={"type": "array"}), "schema of type object"),
        (lambda body: body["tools"][0].update(type="other"), "must be 'function'"),
    ],
)
def test_what_the_real_service_refuses_is_refused(change: Callable[[dict[str, Any]], object], told: str):
    with pytest.raises(WireProblem, match=told) as caught:
        wire.read(changed(change))
    assert caught.value.status == 400


def test_a_stream_has_the_shape_that_the_sdk_knows():
    choice, events = answered()
    chunks = [shapes.ChatCompletionChunk.model_validate(event) for event in events]
    deltas = [chunk.choices[0].delta for chunk in chunks if chunk.choices]
    assert "".join(delta.content or "" for delta in deltas) == "Hello there"
    assert sum(bool(delta.content) for delta in deltas) == 4
    assert [call.id for delta in deltas for call in delta.tool_calls or () if call.id] == [
        f"call_{wire.read(BODY).fingerprint[:8]}_1_{at}" for at in range(2)
    ]
    assert chunks[-2].choices[0].finish_reason == "tool_calls"
    usage = chunks[-1].usage
    assert usage is not None
    assert usage.prompt_tokens == choice.usage.input_tokens + choice.usage.cache_read_tokens
    assert usage.prompt_tokens_details is not None
    assert usage.prompt_tokens_details.cached_tokens == choice.usage.cache_read_tokens > 0


def test_an_answer_in_one_piece_has_the_shape_that_the_sdk_knows():
    choice, _ = answered()
    whole = shapes.ChatCompletion.model_validate(wire.whole(wire.read(BODY), choice))
    message = whole.choices[0].message
    assert message.content == "Hello there"
    assert message.tool_calls is not None
    assert len(message.tool_calls) == 2


def test_usage_comes_only_where_it_was_asked_for():
    asked = wire.read(changed(lambda body: body.pop("stream_options")))
    assert not any(b'"usage"' in event for event in wire.events(asked, choose(SCRIPT, asked)))


def test_a_request_without_a_key_is_refused():
    with pytest.raises(WireProblem) as caught:
        wire.authorise({"authorization": "Bearer "})
    assert caught.value.status == 401
    wire.authorise({"authorization": "Bearer x"})
