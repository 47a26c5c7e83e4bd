"""Chat Completions, against the scripted server and against servers that answer given bytes."""

import json
from collections.abc import Sequence

import pytest

from adapters.models import ProviderModels
from adapters.models.endpoint import Endpoint
from adapters.models.openai import OpenAIModel
from adapters.models.openai_wire import OPENAI_ITSELF, ChatAnswer, ChatRequests
from adapters.models.scripted import Fault, ScriptedServer
from domain.errors import ContextTooLong, ProviderRefused, ProviderUnavailable
from domain.model import AssistantMessage, ModelAnswer, Reasoning, Text, ToolCall, ToolMessage, Usage, UserMessage
from tests.adapters.models.asking import SHORT, ask, endpoint, go_on, http, made, raw_server

HERE = endpoint("http://vendor.test/v1")


def grown(events: Sequence[dict[str, object]], here: Endpoint = HERE) -> ModelAnswer:
    answer = ChatAnswer(here, "asked")
    for event in events:
        answer.take(event)
    return answer.answer()


def delta(finish: str | None = None, **fields: object) -> dict[str, object]:
    return {"model": "told", "choices": [{"index": 0, "delta": fields, "finish_reason": finish}]}


async def test_a_conversation_goes_back_and_forth(scripted: ScriptedServer, scripted_models: ProviderModels):
    model, name = scripted_models.get("scripted:echo@2")
    request = ask(name)
    heard: list[tuple[str, str]] = []

    async def listen(kind: str, text: str) -> None:
        heard.append((kind, text))

    first = await model.answer(request, listen)
    assert first.stop == "tool_calls"
    assert [(call.name, call.arguments) for call in AssistantMessage(blocks=first.blocks).calls] == [
        ("bash", '{"command": "echo turn 1"}')
    ]
    assert heard == [("tool_call", "bash"), ("tool_call", '{"command": "echo turn 1"}')]
    second = await model.answer(request := go_on(request, first))
    third = await model.answer(go_on(request, second))
    assert third.model == "echo@2"
    assert third.usage.cache_read_tokens > second.usage.cache_read_tokens > first.usage.cache_read_tokens == 0
    assert scripted.counts().by_turn == {"echo@2": {0: 1, 1: 1, 2: 1}}


async def test_each_request_begins_with_the_bytes_of_the_one_before():
    requests = ChatRequests(HERE)
    request = ask("m")
    before = requests.body(request)
    for number in range(5):
        call = ToolCall(id=f"p{number}", name="bash", arguments='{"command":"é\\n"}')
        answer = ModelAnswer(blocks=(Text(text="I look."), call), stop="tool_calls", usage=Usage(), model="m")
        request = go_on(request, answer, result=f"“{number}”\x00")
        body = requests.body(request)
        assert body.startswith(before.removesuffix(b"]}"))
        assert body == ChatRequests(HERE).body(request.model_copy(deep=True)), "a cache changes nothing"
        assert json.loads(body)["messages"][-1] == {
            "role": "tool",
            "tool_call_id": f"call_{number + 1}_0",
            "content": f"“{number}”\x00",
        }
        before = body


async def test_the_body_is_sent_as_it_is_with_the_key_and_once():
    async with raw_server(http(b"{}", status="500 Oops", kind="application/json")) as (url, sent):
        model = made("openai", url)
        with pytest.raises(ProviderUnavailable):
            await model.answer(ask("m"))
        await model.close()
    assert len(sent) == 1
    head, _, body = sent[0].partition(b"\r\n\r\n")
    assert head.startswith(b"POST /v1/chat/completions ")
    assert b"authorization: bearer sk-secret-key" in head.lower()
    assert b"content-type: application/json" in head.lower()
    assert body == ChatRequests(HERE).body(ask("m"))


def test_openai_itself_is_asked_in_its_newest_words():
    ours = json.loads(ChatRequests(endpoint(OPENAI_ITSELF)).body(ask("m")))
    others = json.loads(ChatRequests(HERE).body(ask("m")))
    assert ours["max_completion_tokens"] == others["max_tokens"] == 8192
    assert len(ours["prompt_cache_key"]) == 32
    assert "prompt_cache_key" not in others
    assert others["stream_options"] == {"include_usage": True}
    assert others["messages"][0] == {"role": "system", "content": "You work.\n\nOn this."}
    assert others["tools"][0]["function"]["name"] == "bash"


def test_a_request_without_system_or_tools_is_well_formed():
    request = ask("m", system=()).model_copy(update={"tools": ()})
    body = json.loads(ChatRequests(HERE).body(request))
    assert "tools" not in body
    assert body["messages"] == [{"role": "user", "content": "Mend it"}]


def test_reasoning_goes_back_to_its_own_provider_only():
    blocks = (
        Reasoning(provider="vendor", text="Hm", opaque={"reasoning_content": "Hm"}),
        Reasoning(provider="other", text="Aha", opaque={"signature": "x"}),
        Text(text="So."),
    )
    body = json.loads(ChatRequests(HERE).body(ask("m", UserMessage(text="?"), AssistantMessage(blocks=blocks))))
    assert body["messages"][-1] == {"role": "assistant", "content": "So.", "reasoning_content": "Hm"}


def test_an_answer_of_calls_alone_has_no_content_and_keeps_broken_arguments_readable():
    call = ToolCall(id="any id", name="bash", arguments="{oops")
    messages = (AssistantMessage(blocks=(call,)), ToolMessage(call_id="any id", name="bash", text="no"))
    sent = json.loads(ChatRequests(HERE).body(ask("m", *messages)))["messages"][1]
    assert sent["content"] is None
    assert sent["tool_calls"][0]["id"] == "any id"
    assert json.loads(sent["tool_calls"][0]["function"]["arguments"]) == {"invalid_arguments": "{oops"}


def test_calls_are_put_together_from_deltas_in_any_order():
    def part(index: int, arguments: str, name: str | None = None, known: str | None = None) -> dict[str, object]:
        return {"index": index, "id": known, "function": {"name": name, "arguments": arguments}}

    answer = grown(
        [
            delta(tool_calls=[part(0, "", "bash", "a"), part(1, "", "read", "b")]),
            delta(tool_calls=[part(1, '{"path":')]),
            delta(tool_calls=[part(0, '{"command":')]),
            delta(tool_calls=[part(1, '"x"}'), part(0, '"ls"}')]),
            delta("tool_calls"),
        ]
    )
    assert answer.blocks == (
        ToolCall(id="a", name="bash", arguments='{"command":"ls"}'),
        ToolCall(id="b", name="read", arguments='{"path":"x"}'),
    )


def test_calls_of_servers_without_index_id_or_text_are_understood():
    answer = grown(
        [
            delta(tool_calls=[{"id": "a", "function": {"name": "bash", "arguments": {"command": "ls"}}}]),
            delta("stop", tool_calls=[{"id": "b", "function": {"name": "finish"}}]),
        ]
    )
    assert [(call.id, call.arguments) for call in AssistantMessage(blocks=answer.blocks).calls] == [
        ("a", '{"command":"ls"}'),
        ("b", "{}"),
    ]
    assert answer.stop == "tool_calls", "some servers say stop"


def test_nonsense_in_a_call_is_passed_on_as_it_is():
    answer = grown([delta("tool_calls", tool_calls=[{"index": 0, "function": {"name": "fly", "arguments": "{a"}}])])
    assert answer.blocks == (ToolCall(id="call_0", name="fly", arguments="{a"),)


@pytest.mark.parametrize("field", ["reasoning_content", "reasoning"])
def test_reasoning_of_compatible_servers_is_kept(field: str):
    answer = grown([delta(**{field: "Hm, "}), delta(**{field: "yes"}), delta("stop", content="Done")])
    assert answer.blocks == (
        Reasoning(provider="vendor", text="Hm, yes", opaque={field: "Hm, yes"}),
        Text(text="Done"),
    )


def test_reasoning_details_go_back_in_one_piece():
    def piece(text: str, **more: str) -> dict[str, object]:
        return {"type": "reasoning.text", "index": 0, "text": text, **more}

    answer = grown(
        [
            delta(reasoning="a", reasoning_details=[piece("a")]),
            delta(reasoning="b", reasoning_details=[piece("b", signature="s")]),
            delta("stop", reasoning_details=[{"type": "reasoning.encrypted", "index": 1, "data": "x"}], content="c"),
        ]
    )
    assert isinstance(answer.blocks[0], Reasoning)
    assert answer.blocks[0].opaque["reasoning_details"] == [
        {"type": "reasoning.text", "index": 0, "text": "ab", "signature": "s"},
        {"type": "reasoning.encrypted", "index": 1, "data": "x"},
    ]


@pytest.mark.parametrize(
    ("finish", "stop"), [("stop", "end"), ("length", "length"), ("content_filter", "refused"), ("eos", "end")]
)
def test_reasons_to_stop_are_translated(finish: str, stop: str):
    assert grown([delta(finish, content="x")]).stop == stop


def test_a_refusal_is_an_answer_that_was_refused():
    answer = grown([delta(refusal="I can't"), delta("stop")])
    assert (answer.stop, answer.blocks) == ("refused", (Text(text="I can't"),))


def test_usage_separates_what_the_cache_served_and_stored():
    usage = {
        "prompt_tokens": 1000,
        "completion_tokens": 50,
        "prompt_tokens_details": {"cached_tokens": 700, "cache_write_tokens": 200},
        "completion_tokens_details": {"reasoning_tokens": 20},
    }
    assert grown([delta("stop", content="x"), {"choices": [], "usage": usage}]).usage == Usage(
        input_tokens=100, cache_read_tokens=700, cache_write_tokens=200, output_tokens=50, reasoning_tokens=20
    )
    deepseek = {"prompt_tokens": 10, "prompt_cache_hit_tokens": 4, "completion_tokens": 1}
    assert grown([delta("stop", content="x"), {"usage": deepseek}]).usage.cache_read_tokens == 4


async def test_a_server_that_does_not_stream_is_understood():
    message = {"role": "assistant", "content": "Hello", "tool_calls": None}
    whole = {"choices": [{"message": message, "finish_reason": "stop"}], "usage": {"prompt_tokens": 3}, "model": "m"}
    async with raw_server(http(json.dumps(whole).encode(), kind="application/json")) as (url, _):
        model = made("openai", url)
        answer = await model.answer(ask("m"))
        await model.close()
    assert answer.blocks == (Text(text="Hello"),)
    assert answer.usage.input_tokens == 3


@pytest.mark.parametrize(
    ("error", "kind"),
    [
        ({"message": "maximum context length is 9", "code": "context_length_exceeded"}, ContextTooLong),
        ({"message": "upstream died", "code": 502}, ProviderUnavailable),
        ({"message": "no such key", "code": 401}, ProviderRefused),
        ({"message": "slow down", "type": "rate_limit_exceeded"}, ProviderUnavailable),
        ({"message": "what is this", "type": "invalid_request_error"}, ProviderRefused),
        ("it broke", ProviderUnavailable),
    ],
)
async def test_an_error_in_mid_stream_is_classed_by_its_code(error: object, kind: type[Exception]):
    body = b'data: {"choices": [{"delta": {"content": "a"}}]}\n\ndata: ' + json.dumps({"error": error}).encode()
    async with raw_server(http(body + b"\n\n")) as (url, _):
        model = made("openai", url)
        with pytest.raises(kind):
            await model.answer(ask("m"))
        await model.close()


async def test_an_empty_answer_cut_by_its_length_is_an_answer():
    body = b'data: {"choices": [{"delta": {}, "finish_reason": "length"}]}\n\ndata: [DONE]\n\n'
    async with raw_server(http(body)) as (url, _):
        model = made("openai", url)
        assert (await model.answer(ask("m"))).stop == "length"
        await model.close()


async def test_a_connection_is_used_again(scripted: ScriptedServer, scripted_models: ProviderModels):
    model, name = scripted_models.get("scripted:echo@1")
    await model.answer(ask(name))
    opened = scripted.connections
    for _ in range(3):
        await model.answer(ask(name))
    assert scripted.connections == opened


async def test_the_wait_that_a_server_asks_for_reaches_temporal(
    scripted: ScriptedServer, scripted_models: ProviderModels
):
    scripted.fault(Fault(kind="status", status=429, retry_after_seconds=2.5))
    model, name = scripted_models.get("scripted:echo@1")
    with pytest.raises(ProviderUnavailable) as caught:
        await model.answer(ask(name))
    assert caught.value.retry_after_seconds == 2.5
    assert (await model.answer(ask(name))).stop == "tool_calls"


async def test_closing_twice_is_fine():
    model = OpenAIModel(HERE, SHORT)
    await model.close()
    await model.close()
