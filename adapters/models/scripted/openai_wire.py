"""Chat Completions: what is asked, checked as OpenAI checks it, and how an answer looks."""

import json
from collections.abc import Iterator, Mapping
from typing import Any

from adapters.models.scripted.question import (
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

PATH = "/v1/chat/completions"
FINISH = {"end": "stop", "tool_calls": "tool_calls", "length": "length", "refused": "content_filter"}
ERROR_TYPES = {401: "authentication_error", 404: "not_found_error", 429: "rate_limit_error"}
LONGEST_CALL_ID = 40


def authorise(headers: Mapping[str, str]) -> None:
    if not headers.get("authorization", "").removeprefix("Bearer ").strip():
        raise WireProblem(401, "You didn't provide an API key. Send it as `Authorization: Bearer KEY`.")


def problem(status: int, message: str) -> dict[str, Any]:
    kind = ERROR_TYPES.get(status, "server_error" if status >= 500 else "invalid_request_error")
    code = {404: "model_not_found", 429: "rate_limit_exceeded"}.get(status)
    return {"error": {"message": message, "type": kind, "param": None, "code": code}}


def read(body: dict[str, Any]) -> Question:
    """Raises WireProblem 400 where the real service would refuse."""
    tools, tool_characters = _tools(body.get("tools", []))
    messages = list_field(body.get("messages"), "messages")
    insist(bool(messages), "messages: must hold at least one message")
    options = body.get("stream_options")
    insist(options is None or body.get("stream") is True, "stream_options: only allowed when `stream` is true")
    for name in ("max_tokens", "max_completion_tokens"):
        limit = body.get(name)
        insist(limit is None or (isinstance(limit, int) and limit > 0), f"{name}: must be a positive integer")
    heard = [_message(message, f"messages[{at}]") for at, message in enumerate(messages)]
    _check_order(messages)
    system = "\n\n".join(each.text for each in heard if each.role == "system")
    spoken = [each for each in heard if each.role != "system"]
    wants_usage = isinstance(options, dict) and options.get("include_usage") is True
    return put_question(body, spoken, system, tools, len(system) + tool_characters, "implicit", wants_usage)


def _tools(value: object) -> tuple[list[str], int]:
    names: list[str] = []
    for at, tool in enumerate(list_field(value, "tools")):
        place = f"tools[{at}]"
        tool = object_field(tool, place)
        insist(tool.get("type") == "function", f"{place}.type: must be 'function'")
        function = object_field(tool.get("function"), f"{place}.function")
        name = text_field(function.get("name"), f"{place}.function.name")
        insist(bool(TOOL_NAME.fullmatch(name)), f"{place}.function.name: {name!r} is not a valid name")
        schema = object_field(function.get("parameters", {"type": "object"}), f"{place}.function.parameters")
        insist(schema.get("type") == "object", f"{place}.function.parameters: must be a schema of type object")
        insist(name not in names, f"{place}.function.name: {name!r} is used twice")
        names.append(name)
    return names, len(str(value))


def _message(value: object, place: str) -> Heard:
    message = object_field(value, place)
    role = text_field(message.get("role"), f"{place}.role")
    if role in ("system", "developer"):
        text = _content(message.get("content"), place)
        return Heard(role="system", text=text, characters=len(text))
    if role == "user":
        text = _content(message.get("content"), place)
        return Heard(role=role, text=text, characters=len(text))
    if role == "tool":
        text_field(message.get("tool_call_id"), f"{place}.tool_call_id", empty=False)
        text = _content(message.get("content"), place)
        return Heard(role=role, text=text, characters=len(text))
    insist(role == "assistant", f"{place}.role: {role!r} is not one of system, developer, user, assistant, tool")
    return _assistant(message, place)


def _assistant(message: dict[str, Any], place: str) -> Heard:
    calls = message.get("tool_calls")
    content = message.get("content")
    insist(content is not None or bool(calls), f"{place}.content: required where there are no tool_calls")
    text = "" if content is None else _content(content, place)
    characters = len(text) + len(str(message.get("reasoning_content") or ""))
    if calls is not None:
        insist(bool(list_field(calls, f"{place}.tool_calls")), f"{place}.tool_calls: must not be empty")
        for at, call in enumerate(calls):
            characters += _call(call, f"{place}.tool_calls[{at}]")
    return Heard(role="assistant", text=text, characters=characters)


def _call(value: object, place: str) -> int:
    call = object_field(value, place)
    known = text_field(call.get("id"), f"{place}.id", empty=False)
    insist(len(known) <= LONGEST_CALL_ID, f"{place}.id: longer than {LONGEST_CALL_ID} characters")
    insist(call.get("type") == "function", f"{place}.type: must be 'function'")
    function = object_field(call.get("function"), f"{place}.function")
    name = text_field(function.get("name"), f"{place}.function.name", empty=False)
    return len(name) + len(text_field(function.get("arguments"), f"{place}.function.arguments"))


def _content(value: object, place: str) -> str:
    if isinstance(value, str):
        return value
    parts = [object_field(part, f"{place}.content") for part in list_field(value, f"{place}.content")]
    return "".join(text_field(part.get("text"), f"{place}.content[].text") for part in parts)


def _check_order(messages: list[dict[str, Any]]) -> None:
    """Every tool call is answered, at once and once; nothing is answered that was not called."""
    waiting: list[str] = []
    spoken = False
    for at, message in enumerate(messages):
        role = message["role"]
        if role == "tool":
            known = message["tool_call_id"]
            insist(
                known in waiting,
                f"messages[{at}]: messages with role 'tool' must be a response to a preceding message with "
                f"'tool_calls'; {known!r} is not waiting for one",
            )
            waiting.remove(known)
            continue
        insist(
            not waiting,
            "An assistant message with 'tool_calls' must be followed by tool messages responding to each "
            f"'tool_call_id'. Without a response before messages[{at}]: {', '.join(waiting)}",
        )
        insist(role not in ("system", "developer") or not spoken, f"messages[{at}]: {role!r} after the first message")
        spoken = spoken or role not in ("system", "developer")
        waiting = [call["id"] for call in message.get("tool_calls") or ()]
        insist(len(set(waiting)) == len(waiting), f"messages[{at}].tool_calls: an id is used twice")
    insist(not waiting, f"'tool_calls' without a response at the end of messages: {', '.join(waiting)}")
    insist(messages[-1]["role"] in ("user", "tool"), "messages: the last must be of role user or tool")


def whole(question: Question, choice: Choice) -> dict[str, Any]:
    said = choice.said
    message: dict[str, Any] = {"role": "assistant", "content": said.text or None}
    if said.reasoning:
        message["reasoning_content"] = said.reasoning
    if said.calls:
        message["tool_calls"] = [_call_shape(question, choice, at, full=True) for at in range(len(said.calls))]
    return {
        **_frame(question, "chat.completion"),
        "choices": [{"index": 0, "message": message, "finish_reason": FINISH[choice.stop], "logprobs": None}],
        "usage": _usage(choice),
    }


def events(question: Question, choice: Choice) -> Iterator[bytes]:
    """The stream's events, each ready to be sent."""
    frame = _frame(question, "chat.completion.chunk")
    said, size = choice.said, choice.piece_characters

    def chunk(delta: dict[str, Any], finish: str | None = None) -> bytes:
        return _event({**frame, "choices": [{"index": 0, "delta": delta, "finish_reason": finish}]})

    yield chunk({"role": "assistant", "content": ""})
    for piece in _pieces(said.reasoning, size):
        yield chunk({"reasoning_content": piece})
    for piece in _pieces(said.text, size):
        yield chunk({"content": piece})
    for at in range(len(said.calls)):
        yield chunk({"tool_calls": [_call_shape(question, choice, at, full=False)]})
        for piece in _pieces(_arguments(choice, at), size):
            yield chunk({"tool_calls": [{"index": at, "function": {"arguments": piece}}]})
    yield chunk({}, FINISH[choice.stop])
    if question.stream_usage:
        yield _event({**frame, "choices": [], "usage": _usage(choice)})
    yield b"data: [DONE]\n\n"


def _frame(question: Question, kind: str) -> dict[str, Any]:
    return {
        "id": f"chatcmpl-{question.fingerprint}-{question.turn}",
        "object": kind,
        "created": 0,
        "model": question.model,
    }


def _event(value: dict[str, Any]) -> bytes:
    return b"data: " + json.dumps(value, separators=(",", ":")).encode() + b"\n\n"


def _pieces(text: str, size: int) -> Iterator[str]:
    return (text[at : at + size] for at in range(0, len(text), size))


def _arguments(choice: Choice, at: int) -> str:
    arguments = choice.said.calls[at].arguments
    return arguments if isinstance(arguments, str) else json.dumps(arguments)


def _call_shape(question: Question, choice: Choice, at: int, full: bool) -> dict[str, Any]:
    function = {"name": choice.said.calls[at].name, "arguments": _arguments(choice, at) if full else ""}
    shape: dict[str, Any] = {
        "id": f"call_{question.fingerprint[:8]}_{question.turn}_{at}",
        "type": "function",
        "function": function,
    }
    return shape if full else {"index": at, **shape}


def _usage(choice: Choice) -> dict[str, Any]:
    usage = choice.usage
    prompt = usage.input_tokens + usage.cache_read_tokens + usage.cache_write_tokens
    return {
        "prompt_tokens": prompt,
        "completion_tokens": usage.output_tokens,
        "total_tokens": prompt + usage.output_tokens,
        "prompt_tokens_details": {
            "cached_tokens": usage.cache_read_tokens,
            "cache_write_tokens": usage.cache_write_tokens,
        },
        "completion_tokens_details": {"reasoning_tokens": usage.reasoning_tokens},
    }
