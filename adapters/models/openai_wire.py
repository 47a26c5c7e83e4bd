"""Requests and answers of Chat Completions, as bytes and as our values."""

import hashlib
from typing import Any

from adapters.models.endpoint import Endpoint
from adapters.models.failures import Refusal, refused
from adapters.models.serialised import SerialisedHeads, SerialisedMessages, encode, sendable_arguments
from adapters.models.transport import told_error
from domain.model import (
    AssistantMessage,
    Block,
    Message,
    ModelAnswer,
    ModelRequest,
    Reasoning,
    Text,
    ToolCall,
    ToolMessage,
    Usage,
)

OPENAI_ITSELF = "https://api.openai.com/v1"
STOPS = {"length": "length", "content_filter": "refused"}
REASONING_FIELDS = ("reasoning_content", "reasoning")


class ChatRequests:
    """Bodies whose messages come last: each is the one before it plus a suffix."""

    def __init__(self, endpoint: Endpoint) -> None:
        self._endpoint = endpoint
        self._heads = SerialisedHeads(self._head)
        self._messages = SerialisedMessages(self._message)

    def body(self, request: ModelRequest) -> bytes:
        return self._heads.of(request) + b",".join(map(self._messages.of, request.messages)) + b"]}"

    def _head(self, request: ModelRequest) -> bytes:
        fields: dict[str, Any] = {
            "model": request.model,
            "stream": True,
            "stream_options": {"include_usage": True},
        }
        if self._endpoint.base_url == OPENAI_ITSELF:
            fields["max_completion_tokens"] = request.max_output_tokens
            # Requests of one run go to one cache.
            fields["prompt_cache_key"] = hashlib.sha256("\0".join(request.system).encode()).hexdigest()[:32]
        else:
            fields["max_tokens"] = request.max_output_tokens
        if request.tools:
            fields["tools"] = [
                {"type": "function", "function": tool.model_dump(include={"name", "description", "parameters"})}
                for tool in request.tools
            ]
        system = "\n\n".join(part for part in request.system if part)
        opening = encode({"role": "system", "content": system}) if system else b""
        following = b"," if opening and request.messages else b""
        return encode(fields)[:-1] + b',"messages":[' + opening + following

    def _message(self, message: Message) -> bytes:
        if isinstance(message, AssistantMessage):
            return encode(self._assistant(message))
        if isinstance(message, ToolMessage):
            return encode({"role": "tool", "tool_call_id": message.call_id, "content": message.text})
        return encode({"role": "user", "content": message.text})

    def _assistant(self, message: AssistantMessage) -> dict[str, Any]:
        shape: dict[str, Any] = {"role": "assistant", "content": message.text or (None if message.calls else "")}
        for block in message.blocks:
            if isinstance(block, Reasoning) and block.provider == self._endpoint.provider:
                shape.update(block.opaque)
        if message.calls:
            shape["tool_calls"] = [
                {
                    "id": call.id,
                    "type": "function",
                    "function": {"name": call.name, "arguments": sendable_arguments(call)},
                }
                for call in message.calls
            ]
        return shape


class ChatAnswer:
    """An answer as it grows; `take` returns what is new in an event, by kind."""

    def __init__(self, endpoint: Endpoint, model: str) -> None:
        self._endpoint = endpoint
        self._model = model
        self._text: list[str] = []
        self._reasoning: list[str] = []
        self._reasoning_field = ""
        self._details: list[dict[str, Any]] = []
        self._calls: dict[int, _CallParts] = {}
        self._usage: dict[str, Any] = {}
        self._refused = False
        self._finish = ""
        self.finished = False

    def take(self, event: dict[str, Any]) -> list[tuple[str, str]]:
        if event.get("error"):
            raise refused(self._endpoint, _refusal(event["error"]))
        self._model = event.get("model") or self._model
        self._usage = event.get("usage") or self._usage
        new: list[tuple[str, str]] = []
        for choice in event.get("choices") or ():
            # A server that does not stream sends the whole `message`.
            new += self._delta(choice.get("delta") or choice.get("message") or {})
            self._finish = choice.get("finish_reason") or self._finish
            self.finished = bool(self._finish)
        return new

    def _delta(self, delta: dict[str, Any]) -> list[tuple[str, str]]:
        new: list[tuple[str, str]] = []
        for field in REASONING_FIELDS:
            piece = delta.get(field)
            if isinstance(piece, str) and piece and self._reasoning_field in ("", field):
                self._reasoning_field = field
                self._reasoning.append(piece)
                new.append(("reasoning", piece))
        self._details += delta.get("reasoning_details") or ()
        if delta.get("refusal"):
            self._refused = True
        for piece in (delta.get("content"), delta.get("refusal")):
            if piece:
                self._text.append(piece)
                new.append(("text", piece))
        for at, part in enumerate(delta.get("tool_calls") or ()):
            new += self._call(part, at)
        return new

    def _call(self, part: dict[str, Any], at: int) -> list[tuple[str, str]]:
        index = part.get("index")
        if index is None:
            index = len(self._calls) if part.get("id") else at
        call = self._calls.setdefault(index, _CallParts())
        function = part.get("function") or {}
        call.id = call.id or part.get("id") or ""
        name = function.get("name") or ""
        call.name += name
        piece = function.get("arguments") or ""
        if isinstance(piece, dict):
            piece = encode(piece).decode()
        call.arguments.append(piece)
        return [("tool_call", shown) for shown in (name, piece) if shown]

    def answer(self) -> ModelAnswer:
        blocks: list[Block] = []
        opaque: dict[str, Any] = {}
        if self._reasoning:
            opaque[self._reasoning_field] = "".join(self._reasoning)
        if self._details:
            opaque["reasoning_details"] = _joined(self._details)
        if opaque:
            thought = "".join(self._reasoning)
            blocks.append(Reasoning(provider=self._endpoint.provider, text=thought, opaque=opaque))
        if self._text:
            blocks.append(Text(text="".join(self._text)))
        calls = [call.joined(index) for index, call in sorted(self._calls.items())]
        stop = "refused" if self._refused else STOPS.get(self._finish, "tool_calls" if calls else "end")
        return ModelAnswer.model_validate(
            {"blocks": (*blocks, *calls), "stop": stop, "usage": _usage(self._usage), "model": self._model}
        )


class _CallParts:
    def __init__(self) -> None:
        self.id = ""
        self.name = ""
        self.arguments: list[str] = []

    def joined(self, index: int) -> ToolCall:
        return ToolCall(id=self.id or f"call_{index}", name=self.name, arguments="".join(self.arguments) or "{}")


def _joined(details: list[dict[str, Any]]) -> list[dict[str, Any]]:
    """Pieces of one block of reasoning come one by one; they go back as one."""
    joined: list[dict[str, Any]] = []
    for piece in details:
        last = joined[-1] if joined else {}
        same = last.get("type") == piece.get("type") and last.get("index") == piece.get("index")
        if joined and same and piece.get("index") is not None:
            text = (last.get("text") or "") + (piece.get("text") or "")
            joined[-1] = {**last, **{key: value for key, value in piece.items() if value is not None}}
            if text:
                joined[-1]["text"] = text
        else:
            joined.append(dict(piece))
    return joined


def _usage(usage: dict[str, Any]) -> Usage:
    prompt = usage.get("prompt_tokens") or 0
    details = usage.get("prompt_tokens_details") or {}
    read = min(details.get("cached_tokens") or usage.get("prompt_cache_hit_tokens") or 0, prompt)
    written = min(details.get("cache_write_tokens") or 0, prompt - read)
    return Usage(
        input_tokens=prompt - read - written,
        cache_read_tokens=read,
        cache_write_tokens=written,
        output_tokens=usage.get("completion_tokens") or 0,
        reasoning_tokens=(usage.get("completion_tokens_details") or {}).get("reasoning_tokens") or 0,
    )


def _refusal(error: object) -> Refusal:
    """An error in the middle of a stream: some servers put a status in its code."""
    message, code = told_error({"error": error})
    status = int(code) if code.isdigit() and 400 <= int(code) < 600 else 0
    kinds = {"invalid_request_error": 400, "authentication_error": 401, "rate_limit_exceeded": 429}
    return Refusal(status=status or kinds.get(code, 500), message=message or str(error), code=code)
