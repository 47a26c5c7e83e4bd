"""Messages, against the scripted server and against servers that answer given bytes."""

import json
from collections.abc import Sequence
from typing import Any

import pytest

from adapters.models import ProviderModels
from adapters.models.anthropic_wire import MessageRequests, MessagesAnswer
from adapters.models.scripted import ScriptedServer
from domain.errors import (
    ContextTooLong,
    KeyRefused,
    ProviderBusy,
    ProviderRefused,
    ProviderUnavailable,
    QuotaUsedUp,
)
from domain.model import (
    AssistantMessage,
    Message,
    ModelAnswer,
    Reasoning,
    Text,
    ToolCall,
    ToolMessage,
    Usage,
    UserMessage,
)
from tests.adapters.models.asking import ask, endpoint, go_on, http, made, raw_server

HERE = endpoint("http://vendor.test")
MARK = b',"cache_control":{"type":"ephemeral"}'
THINKING = """
conversations:
  - turns:
      - reasoning: Where would it be?
        text: I look.
        calls: [{name: bash, arguments: {command: ls}}, {name: read, arguments: {path: x}}]
      - expect: [first result, second result]
        reasoning: I see.
        calls: [{name: finish, arguments: {summary: done}}]
      - stop: refused
        text: No more.
"""


def sent(*messages: Message) -> dict[str, Any]:
    return json.loads(MessageRequests(HERE).body(ask("m", *messages)))


def bare(body: bytes) -> bytes:
    """Breakpoints are no part of what is cached."""
    return body.replace(MARK, b"")


def grown(events: Sequence[dict[str, Any]]) -> ModelAnswer:
    answer = MessagesAnswer(HERE, "asked")
    for event in events:
        answer.take(event)
    return answer.answer()


def block(index: int, start: dict[str, Any], *deltas: dict[str, Any]) -> list[dict[str, Any]]:
    return [
        {"type": "content_block_start", "index": index, "content_block": start},
        *({"type": "content_block_delta", "index": index, "delta": delta} for delta in deltas),
        {"type": "content_block_stop", "index": index},
    ]


async def test_a_conversation_with_thinking_goes_back_and_forth(
    scripted: ScriptedServer, scripted_models: ProviderModels
):
    scripted.add("thinking", THINKING)
    model, name = scripted_models.get("scripted:anthropic/thinking")
    request = ask(name)
    first = await model.answer(request)
    assert [each.type for each in first.blocks] == ["reasoning", "text", "tool_call", "tool_call"]
    assert first.usage.cache_write_tokens > 0
    said = go_on(request, first).messages
    results = [
        message.model_copy(update={"text": text})
        for message, text in zip(said[-2:], ("first result", "second result"), strict=True)
    ]
    request = request.model_copy(update={"messages": (*said[:-2], *results)})
    second = await model.answer(request)
    assert second.usage.cache_read_tokens > 0
    third = await model.answer(go_on(request, second))
    assert third.stop == "refused"
    assert scripted.counts().refused == 0


async def test_each_request_begins_with_the_bytes_of_the_one_before():
    requests = MessageRequests(HERE)
    request = ask("m")
    before = requests.body(request)
    for number in range(5):
        call = ToolCall(id=f"p{number}", name="bash", arguments='{"command":"é"}')
        answer = ModelAnswer(blocks=(Text(text="I look."), call), stop="tool_calls", usage=Usage(), model="m")
        request = go_on(request, answer, result=f"“{number}”")
        body = requests.body(request)
        assert bare(body).startswith(bare(before).removesuffix(b"]}"))
        assert body == MessageRequests(HERE).body(request.model_copy(deep=True)), "a cache changes nothing"
        before = body
    assert before.count(MARK) == 4


def test_breakpoints_stand_after_the_system_parts_and_at_the_end():
    body = sent()
    mark = {"cache_control": {"type": "ephemeral"}}
    assert body["system"] == [{"type": "text", "text": text, **mark} for text in ("You work.", "On this.")]
    assert body["messages"] == [{"role": "user", "content": [{"type": "text", "text": "Mend it", **mark}]}]
    assert body["tools"][0] == {
        "name": "bash",
        "description": "bashs",
        "input_schema": {"type": "object", "properties": {}},
    }


def test_what_tools_and_people_say_in_a_row_is_one_message_results_first():
    calls = tuple(ToolCall(id=f"c{at}", name="bash", arguments="{}") for at in range(2))
    body = sent(
        UserMessage(text="a"),
        UserMessage(text="b"),
        AssistantMessage(blocks=calls),
        UserMessage(text="wait"),
        ToolMessage(call_id="c0", name="bash", text="ok"),
        ToolMessage(call_id="c1", name="bash", text="bad", is_error=True),
    )
    assert [message["role"] for message in body["messages"]] == ["user", "assistant", "user"]
    assert [each["text"] for each in body["messages"][0]["content"]] == ["a", "b"]
    last = body["messages"][2]["content"]
    assert last[0] == {"type": "tool_result", "tool_use_id": "c0", "content": "ok"}
    assert last[1] == {"type": "tool_result", "tool_use_id": "c1", "content": "bad", "is_error": True}
    assert last[2]["text"] == "wait"


def test_thinking_goes_back_unchanged_and_that_of_others_not_at_all():
    own = {"type": "thinking", "thinking": "Hm", "signature": "sig"}
    hidden = {"type": "redacted_thinking", "data": "xyz"}
    blocks = (
        Reasoning(provider="vendor", text="Hm", opaque=own),
        Reasoning(provider="vendor", opaque=hidden),
        Reasoning(provider="openai", text="Aha", opaque={"reasoning_content": "Aha"}),
        Text(text="So."),
    )
    body = sent(UserMessage(text="?"), AssistantMessage(blocks=blocks), UserMessage(text="!"))
    assert body["messages"][1]["content"] == [own, hidden, {"type": "text", "text": "So."}]


def test_what_the_api_refuses_is_never_sent():
    other = Reasoning(provider="openai", text="Aha", opaque={"reasoning_content": "Aha"})
    body = sent(
        UserMessage(text=" \n"),
        AssistantMessage(blocks=(other, Text(text="  "))),
        ToolMessage(call_id="c", name="x", text=""),
    )
    assert body["messages"][0]["content"][0]["text"] == "(nothing)"
    assert body["messages"][1]["content"] == [{"type": "text", "text": "(nothing)"}]


@pytest.mark.parametrize(
    ("arguments", "sent_input"),
    [
        ('{"b": 1, "a": [2]}', {"b": 1, "a": [2]}),
        ("{oops", {"invalid_arguments": "{oops"}),
        ("", {"invalid_arguments": ""}),
    ],
)
def test_arguments_are_an_object_whatever_the_model_wrote(arguments: str, sent_input: dict[str, object]):
    call = ToolCall(id="c", name="bash", arguments=arguments)
    body = sent(
        UserMessage(text="?"), AssistantMessage(blocks=(call,)), ToolMessage(call_id="c", name="bash", text="ok")
    )
    assert body["messages"][1]["content"] == [{"type": "tool_use", "id": "c", "name": "bash", "input": sent_input}]


def test_blocks_are_put_together_from_deltas():
    answer = grown(
        [
            {"type": "message_start", "message": {"model": "told", "usage": {"input_tokens": 5, "output_tokens": 1}}},
            *block(
                0,
                {"type": "thinking", "thinking": "", "signature": ""},
                {"type": "thinking_delta", "thinking": "H"},
                {"type": "thinking_delta", "thinking": "m"},
                {"type": "signature_delta", "signature": "sig"},
            ),
            *block(1, {"type": "redacted_thinking", "data": "xyz"}),
            *block(
                2,
                {"type": "text", "text": ""},
                {"type": "text_delta", "text": "So"},
                {"type": "text_delta", "text": "."},
            ),
            *block(
                3,
                {"type": "tool_use", "id": "t", "name": "bash", "input": {}},
                {"type": "input_json_delta", "partial_json": ""},
                {"type": "input_json_delta", "partial_json": '{"a'},
                {"type": "input_json_delta", "partial_json": '":1}'},
            ),
            *block(4, {"type": "tool_use", "id": "u", "name": "finish", "input": {}}),
            {"type": "message_delta", "delta": {"stop_reason": "tool_use"}, "usage": {"output_tokens": 9}},
            {"type": "message_stop"},
        ]
    )
    assert answer == ModelAnswer(
        blocks=(
            Reasoning(provider="vendor", text="Hm", opaque={"type": "thinking", "thinking": "Hm", "signature": "sig"}),
            Reasoning(provider="vendor", opaque={"type": "redacted_thinking", "data": "xyz"}),
            Text(text="So."),
            ToolCall(id="t", name="bash", arguments='{"a":1}'),
            ToolCall(id="u", name="finish", arguments="{}"),
        ),
        stop="tool_calls",
        usage=Usage(input_tokens=5, output_tokens=9),
        model="told",
    )


@pytest.mark.parametrize(
    ("reason", "stop"),
    [
        ("end_turn", "end"),
        ("stop_sequence", "end"),
        ("pause_turn", "end"),
        ("max_tokens", "length"),
        ("model_context_window_exceeded", "length"),
        ("refusal", "refused"),
    ],
)
def test_reasons_to_stop_are_translated(reason: str, stop: str):
    delta = {"type": "message_delta", "delta": {"stop_reason": reason}, "usage": {}}
    assert grown([*block(0, {"type": "text", "text": "x"}), delta]).stop == stop


def test_usage_counts_reads_and_writes_of_the_cache():
    usage = {
        "input_tokens": 3,
        "cache_read_input_tokens": 700,
        "cache_creation_input_tokens": 200,
        "output_tokens": 50,
        "output_tokens_details": {"thinking_tokens": 20},
    }
    assert grown([{"type": "message_start", "message": {"usage": usage}}]).usage == Usage(
        input_tokens=3, cache_read_tokens=700, cache_write_tokens=200, output_tokens=50, reasoning_tokens=20
    )


@pytest.mark.parametrize(
    ("kind", "message", "ours"),
    [
        ("overloaded_error", "Overloaded", ProviderBusy),
        ("rate_limit_error", "slow", ProviderBusy),
        ("api_error", "oops", ProviderUnavailable),
        ("invalid_request_error", "prompt is too long: 3 > 2", ContextTooLong),
        ("invalid_request_error", "bad", ProviderRefused),
        ("authentication_error", "bad key", KeyRefused),
        ("billing_error", "no credit", QuotaUsedUp),
    ],
)
async def test_an_error_in_mid_stream_is_classed_by_its_type(kind: str, message: str, ours: type[Exception]):
    error = json.dumps({"type": "error", "error": {"type": kind, "message": message}}).encode()
    async with raw_server(http(b"event: error\ndata: " + error + b"\n\n")) as (url, _):
        model = made("anthropic", url)
        with pytest.raises(ours):
            await model.answer(ask("m"))
        await model.close()


async def test_the_body_is_sent_as_it_is_with_the_key_and_once():
    async with raw_server(http(b"{}", status="529 Busy", kind="application/json", headers="retry-after: 3\r\n")) as (
        url,
        requests,
    ):
        model = made("anthropic", url)
        with pytest.raises(ProviderUnavailable) as caught:
            await model.answer(ask("m"))
        await model.close()
    assert caught.value.retry_after_seconds == 3
    assert len(requests) == 1
    head, _, body = requests[0].partition(b"\r\n\r\n")
    assert head.startswith(b"POST /v1/messages ")
    assert b"sk-secret-key" in head
    assert b"anthropic-version: " in head.lower()
    assert body == MessageRequests(HERE).body(ask("m"))


async def test_a_server_that_does_not_stream_is_understood():
    whole = {
        "type": "message",
        "model": "m",
        "content": [
            {"type": "text", "text": "Hello"},
            {"type": "tool_use", "id": "t", "name": "bash", "input": {"a": 1}},
        ],
        "stop_reason": "tool_use",
        "usage": {"input_tokens": 3, "output_tokens": 4},
    }
    async with raw_server(http(json.dumps(whole).encode(), kind="application/json")) as (url, _):
        model = made("anthropic", url)
        answer = await model.answer(ask("m"))
        await model.close()
    assert answer.blocks == (Text(text="Hello"), ToolCall(id="t", name="bash", arguments='{"a": 1}'))
