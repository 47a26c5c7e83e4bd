"""Messages: what is asked, checked as Anthropic checks it, and how an answer looks."""

import hashlib
import json
from collections.abc import Iterator, Mapping
from typing import Any

from adapters.models.scripted.question import (
    CALL_ID,
    TOOL_NAME,
    Heard,
    Question,
    WireProblem,
    insist,
    list_field,
    object_field,
    put_question,
    text_field,
)
from adapters.models.scripted.turns import Choice

PATH = "/v1/messages"
STOP = {"end": "end_turn", "tool_calls": "tool_use", "length": "max_tokens", "refused": "refusal"}
ERROR_TYPES = {
    401: "authentication_error",
    403: "permission_error",
    404: "not_found_error",
    413: "request_too_large",
    429: "rate_limit_error",
    529: "overloaded_error",
}
MOST_BREAKPOINTS = 4


def authorise(headers: Mapping[str, str]) -> None:
    """Older clients send `x-api-key`, newer ones a bearer."""
    if not (headers.get("x-api-key") or headers.get("authorization", "").removeprefix("Bearer ").strip()):
        raise WireProblem(401, "An API key is required: send it as `Authorization: Bearer KEY` or `x-api-key: KEY`")
    insist("anthropic-version" in headers, "anthropic-version: header is required")


def problem(status: int, message: str) -> dict[str, Any]:
    kind = ERROR_TYPES.get(status, "api_error" if status >= 500 else "invalid_request_error")
    return {"type": "error", "error": {"type": kind, "message": message}}


def read(body: dict[str, Any]) -> Question:
    """Raises WireProblem 400 where the real service would refuse."""
    limit = body.get("max_tokens")
    insist(isinstance(limit, int) and limit > 0, "max_tokens: a positive integer is required")
    tools = _tools(body.get("tools", []))
    system, marks = _system(body.get("system", ""))
    messages = list_field(body.get("messages"), "messages")
    insist(bool(messages), "messages: at least one message is required")
    heard: list[Heard] = []
    waiting: tuple[str, ...] = ()
    for at, value in enumerate(messages):
        place = f"messages.{at}"
        message = object_field(value, place)
        role = "assistant" if at % 2 else "user"
        insist(message.get("role") == role, f"{place}: roles must alternate, beginning with user; expected {role}")
        blocks = _blocks(message.get("content"), place)
        marks += sum("cache_control" in block for block in blocks)
        if role == "user":
            heard.append(_user(blocks, waiting, place))
            waiting = ()
        else:
            said, waiting = _assistant(blocks, place)
            heard.append(said)
    insist(len(messages) % 2 == 1, "messages: the conversation must end with a user message")
    insist(marks <= MOST_BREAKPOINTS, f"A maximum of {MOST_BREAKPOINTS} blocks with cache_control may be provided.")
    cache = "explicit" if marks else "none"
    return put_question(body, heard, system, tools, len(system) + len(str(body.get("tools", ""))), cache)


def _tools(value: object) -> list[str]:
    names: list[str] = []
    for at, tool in enumerate(list_field(value, "tools")):
        place = f"tools.{at}"
        tool = object_field(tool, place)
        name = text_field(tool.get("name"), f"{place}.name")
        insist(bool(TOOL_NAME.fullmatch(name)), f"{place}.name: {name!r} does not match the pattern")
        schema = object_field(tool.get("input_schema"), f"{place}.input_schema")
        insist(schema.get("type") == "object", f"{place}.input_schema.type: must be object")
        insist(name not in names, f"{place}: Tool names must be unique.")
        names.append(name)
    return names


def _system(value: object) -> tuple[str, int]:
    if isinstance(value, str):
        return value, 0
    blocks = [object_field(block, "system") for block in list_field(value, "system")]
    texts = [text_field(block.get("text"), "system.text", empty=False) for block in blocks]
    return "\n\n".join(texts), sum("cache_control" in block for block in blocks)


def _blocks(content: object, place: str) -> list[dict[str, Any]]:
    if isinstance(content, str):
        insist(bool(content.strip()), f"{place}: text content must be non-empty")
        return [{"type": "text", "text": content}]
    blocks = [object_field(block, f"{place}.content") for block in list_field(content, f"{place}.content")]
    insist(bool(blocks), f"{place}: content must be non-empty")
    for block in blocks:
        if block.get("type") == "text":
            text = text_field(block.get("text"), f"{place}.text")
            insist(bool(text.strip()), f"{place}: text content blocks must contain non-whitespace text")
    return blocks


def _user(blocks: list[dict[str, Any]], waiting: tuple[str, ...], place: str) -> Heard:
    """Results come first in the message and answer exactly the calls of the message before."""
    texts: list[str] = []
    answered: list[str] = []
    spoken = False
    for block in blocks:
        if block.get("type") == "tool_result":
            insist(not spoken, f"{place}: tool_result blocks must come before text")
            known = text_field(block.get("tool_use_id"), f"{place}.tool_use_id")
            insist(known in waiting, f"{place}: unexpected `tool_use_id` found in `tool_result` blocks: {known}")
            insist(isinstance(block.get("is_error", False), bool), f"{place}.is_error: must be a boolean")
            answered.append(known)
            content = block.get("content", "")
            texts.append(content if isinstance(content, str) else "".join(part.get("text", "") for part in content))
        else:
            insist(block.get("type") == "text", f"{place}: unexpected block type {block.get('type')!r}")
            spoken = True
            texts.append(block["text"])
    missing = [known for known in waiting if known not in answered]
    insist(not missing, f"{place}: `tool_use` ids were found without `tool_result` blocks: {', '.join(missing)}")
    insist(len(set(answered)) == len(answered), f"{place}: each tool_use must have a single result")
    return Heard(role="user", text="\n".join(texts), characters=sum(map(len, texts)))


def _assistant(blocks: list[dict[str, Any]], place: str) -> tuple[Heard, tuple[str, ...]]:
    texts: list[str] = []
    calls: list[str] = []
    characters = 0
    for block in blocks:
        kind = block.get("type")
        if kind == "text":
            texts.append(block["text"])
        elif kind == "tool_use":
            known = text_field(block.get("id"), f"{place}.id")
            insist(bool(CALL_ID.fullmatch(known)), f"{place}.tool_use.id: must match '^[a-zA-Z0-9_-]+$'")
            insist(known not in calls, f"{place}: `tool_use` ids must be unique")
            object_field(block.get("input"), f"{place}.tool_use.input")
            calls.append(known)
            characters += len(str(block["input"]))
        elif kind == "thinking":
            thought = text_field(block.get("thinking"), f"{place}.thinking")
            insist(block.get("signature") == signature(thought), f"{place}: Invalid `signature` in `thinking` block")
            characters += len(thought)
        else:
            insist(kind == "redacted_thinking", f"{place}: unexpected block type {kind!r}")
            text_field(block.get("data"), f"{place}.redacted_thinking.data")
    return Heard(role="assistant", text="".join(texts), characters=characters + sum(map(len, texts))), tuple(calls)


def signature(thought: str) -> str:
    return hashlib.sha256(thought.encode()).hexdigest()


def whole(question: Question, choice: Choice) -> dict[str, Any]:
    content = [{**start, **filled} for start, filled, _ in _content(question, choice)]
    return {
        **_envelope(question),
        "content": content,
        "stop_reason": STOP[choice.stop],
        "usage": _usage(choice),
    }


def events(question: Question, choice: Choice) -> Iterator[bytes]:
    """The stream's events, each ready to be sent."""
    opening = {**_usage(choice), "output_tokens": 1}
    message = {**_envelope(question), "content": [], "stop_reason": None, "usage": opening}
    yield _event({"type": "message_start", "message": message})
    yield _event({"type": "ping"})
    for index, (start, _, deltas) in enumerate(_content(question, choice)):
        yield _event({"type": "content_block_start", "index": index, "content_block": start})
        for delta in deltas:
            yield _event({"type": "content_block_delta", "index": index, "delta": delta})
        yield _event({"type": "content_block_stop", "index": index})
    spent = {key: value for key, value in _usage(choice).items() if key.startswith("output")}
    ending = {"stop_reason": STOP[choice.stop], "stop_sequence": None}
    yield _event({"type": "message_delta", "delta": ending, "usage": spent})
    yield _event({"type": "message_stop"})


def _content(
    question: Question, choice: Choice
) -> Iterator[tuple[dict[str, Any], dict[str, Any], list[dict[str, Any]]]]:
    """Per block: how it starts, what a whole answer holds instead, and the deltas between."""
    said, size = choice.said, choice.piece_characters
    if said.reasoning:
        sign = signature(said.reasoning)
        deltas = [{"type": "thinking_delta", "thinking": piece} for piece in _pieces(said.reasoning, size)]
        start = {"type": "thinking", "thinking": "", "signature": ""}
        filled = {"thinking": said.reasoning, "signature": sign}
        yield start, filled, [*deltas, {"type": "signature_delta", "signature": sign}]
    if said.text:
        deltas = [{"type": "text_delta", "text": piece} for piece in _pieces(said.text, size)]
        yield {"type": "text", "text": ""}, {"text": said.text}, deltas
    for at, call in enumerate(said.calls):
        text = call.arguments if isinstance(call.arguments, str) else json.dumps(call.arguments)
        deltas = [{"type": "input_json_delta", "partial_json": piece} for piece in _pieces(text, size)]
        known = f"toolu_{question.fingerprint[:8]}_{question.turn}_{at}"
        start = {"type": "tool_use", "id": known, "name": call.name, "input": {}}
        yield start, {"input": call.arguments}, deltas


def _envelope(question: Question) -> dict[str, Any]:
    return {
        "id": f"msg_{question.fingerprint}_{question.turn}",
        "type": "message",
        "role": "assistant",
        "model": question.model,
        "stop_sequence": None,
    }


def _event(value: dict[str, Any]) -> bytes:
    return f"event: {value['type']}\ndata: {json.dumps(value, separators=(',', ':'))}\n\n".encode()


def _pieces(text: str, size: int) -> Iterator[str]:
    return (text[at : at + size] for at in range(0, len(text), size))


def _usage(choice: Choice) -> dict[str, Any]:
    usage = choice.usage
    return {
        "input_tokens": usage.input_tokens,
        "cache_creation_input_tokens": usage.cache_write_tokens,
        "cache_read_input_tokens": usage.cache_read_tokens,
        "output_tokens": usage.output_tokens,
        "output_tokens_details": {"thinking_tokens": usage.reasoning_tokens},
    }
