"""What the scripted Messages refuse and answer."""

import copy
import json
from collections.abc import Callable
from typing import Any

import anthropic.types as shapes
import pytest
from pydantic import TypeAdapter

from adapters.models.scripted import anthropic_wire as wire
from adapters.models.scripted.question import WireProblem
from adapters.models.scripted.script import read_script
from adapters.models.scripted.turns import choose

MARK = {"cache_control": {"type": "ephemeral"}}
BODY: dict[str, Any] = {
    "model": "script",
    "stream": True,
    "max_tokens": 100,
    "system": [{"type": "text", "text": "You work.", **MARK}, {"type": "text", "text": "On this.", **MARK}],
    "tools": [{"name": "bash", "description": "", "input_schema": {"type": "object"}}],
    "messages": [
        {"role": "user", "content": "Mend it"},
        {
            "role": "assistant",
            "content": [
                {"type": "thinking", "thinking": "Hm", "signature": wire.signature("Hm")},
                {"type": "redacted_thinking", "data": "xyz"},
                {"type": "tool_use", "id": "a", "name": "bash", "input": {}},
                {"type": "tool_use", "id": "b", "name": "bash", "input": {}},
            ],
        },
        {
            "role": "user",
            "content": [
                {"type": "tool_result", "tool_use_id": "a", "content": "first"},
                {"type": "tool_result", "tool_use_id": "b", "content": [{"type": "text", "text": "second"}]},
                {"type": "text", "text": "and", **MARK},
            ],
        },
    ],
}
SCRIPT = read_script("""
piece_characters: 3
conversations:
  - turns:
      - text: unused
      - {text: Hello, reasoning: Hm, calls: [{name: bash, arguments: {command: ls}}]}
""")


def changed(change: Callable[[dict[str, Any]], object]) -> dict[str, Any]:
    body = copy.deepcopy(BODY)
    change(body)
    return body


def blocks(body: dict[str, Any], at: int) -> list[dict[str, Any]]:
    return body["messages"][at]["content"]


def test_a_question_is_read():
    asked = wire.read(BODY)
    assert (asked.turn, asked.system, asked.tools) == (1, "You work.\n\nOn this.", ("bash",))
    assert (asked.first_user, asked.since, asked.cache) == ("Mend it", "first\nsecond\nand", "explicit")
    assert asked.characters > asked.cached_characters > 0


def test_without_breakpoints_nothing_is_cached():
    def unmark(body: dict[str, Any]) -> None:
        body.update(system="You work.")
        blocks(body, 2)[2].pop("cache_control")

    assert wire.read(changed(unmark)).cache == "none"


@pytest.mark.parametrize(
    ("change", "told"),
    [
        (lambda body: body.pop("max_tokens"), "max_tokens"),
        (lambda body: body["messages"].clear(), "at least one message"),
        (lambda body: body["messages"].pop(), "must end with a user message"),
        (lambda body: body["messages"].insert(1, {"role": "user", "content": "x"}), "roles must alternate"),
        (lambda body: blocks(body, 2).pop(0), "without `tool_result` blocks: a"),
        (lambda body: blocks(body, 2).reverse(), "must come before text"),
        (lambda body: blocks(body, 2)[0].update(tool_use_id="c"), "unexpected `tool_use_id`"),
        (lambda body: blocks(body, 2).insert(0, blocks(body, 2)[0]), "a single result"),
        (lambda body: blocks(body, 2)[0].update(is_error="yes"), "must be a boolean"),
        (lambda body: blocks(body, 2)[2].update(text=" "), "non-whitespace"),
        (lambda body: blocks(body, 2).append({"type": "image"}), "unexpected block type"),
        (lambda body: blocks(body, 1)[0].update(thinking="Changed"), "Invalid `signature`"),
        (lambda body: blocks(body, 1)[0].pop("signature"), "Invalid `signature`"),
        (lambda body: blocks(body, 1)[1].pop("data"), "redacted_thinking.data"),
        (lambda body: blocks(body, 1)[2].update(id="a b"), "must match"),
        (lambda body: blocks(body, 1)[2].update(id="b"), "must be unique"),
        (lambda body: blocks(body, 1)[2].update(input="{}"), "expected an object"),
        (lambda body: blocks(body, 1).append({"type": "odd"}), "unexpected block type"),
        (lambda body: blocks(body, 1).clear(), "must be non-empty"),
        (lambda body: body["messages"][0].update(content=""), "must be non-empty"),
        (lambda body: [each.update(MARK) for each in blocks(body, 2)], "maximum of 4"),
        (lambda body: body["tools"].append(body["tools"][0]), "must be unique"),
        (lambda body: body["tools"][0].update(name="b a"), "does not match"),
        (lambda body: body["tools"][0].pop("input_schema"), "input_schema"),
        (lambda body: body["tools"][0].update(input_schema={}), "must be object"),
    ],
)
def test_what_the_real_service_refuses_is_refused(change: Callable[[dict[str, Any]], object], told: str):
    with pytest.raises(WireProblem, match=told) as caught:
        wire.read(changed(change))
    assert caught.value.status == 400


def test_a_stream_has_the_shape_that_the_sdk_knows():
    asked = wire.read(BODY)
    raw = [event.decode().partition("\ndata: ") for event in wire.events(asked, choose(SCRIPT, asked))]
    adapter: TypeAdapter[shapes.RawMessageStreamEvent] = TypeAdapter(shapes.RawMessageStreamEvent)
    pings = [name for name, _, _ in raw if name == "event: ping"]
    events = [adapter.validate_json(text) for name, _, text in raw if name != "event: ping"]
    assert len(pings) == 1
    assert all(name == f"event: {json.loads(text)['type']}" for name, _, text in raw)
    assert [event.type for event in events[:2]] == ["message_start", "content_block_start"]
    assert events[-1].type == "message_stop"


def test_an_answer_in_one_piece_has_the_shape_that_the_sdk_knows():
    asked = wire.read(BODY)
    whole = shapes.Message.model_validate(wire.whole(asked, choose(SCRIPT, asked)))
    assert [block.type for block in whole.content] == ["thinking", "text", "tool_use"]
    assert whole.stop_reason == "tool_use"
    assert whole.usage.cache_read_input_tokens


def test_either_kind_of_key_is_taken_and_none_is_not():
    for headers in ({"x-api-key": "x"}, {"authorization": "Bearer x"}):
        wire.authorise({**headers, "anthropic-version": "2023-06-01"})
    with pytest.raises(WireProblem) as caught:
        wire.authorise({"anthropic-version": "2023-06-01"})
    assert caught.value.status == 401
    with pytest.raises(WireProblem, match="anthropic-version"):
        wire.authorise({"x-api-key": "x"})
