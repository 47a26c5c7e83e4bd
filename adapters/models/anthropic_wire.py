"""Requests and answers of the Messages API, as bytes and as our values."""

import json
from collections.abc import Sequence
from typing import Any

from adapters.models.endpoint import Endpoint
from adapters.models.failures import Refusal, lost, refused
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

STOPS = {"max_tokens": "length", "model_context_window_exceeded": "length", "refusal": "refused"}
ERROR_STATUSES = {
    "invalid_request_error": 400,
    "authentication_error": 401,
    "billing_error": 402,
    "permission_error": 403,
    "not_found_error": 404,
    "request_too_large": 413,
    "rate_limit_error": 429,
    "timeout_error": 504,
    "overloaded_error": 529,
}
BREAKPOINT = b',"cache_control":{"type":"ephemeral"}}'
SILENCE = encode({"type": "text", "text": "(nothing)"})
"""In place of a text without a letter in it, which the API refuses."""


class MessageRequests:
    """Bodies whose messages come last; two breakpoints in the system prompt, two in the conversation.

    The API looks back only some blocks from a breakpoint, so the one of the request before this is repeated.
    """

    def __init__(self, endpoint: Endpoint) -> None:
        self._endpoint = endpoint
        self._heads = SerialisedHeads(_head)
        self._messages = SerialisedMessages(self._blocks)

    def body(self, request: ModelRequest) -> bytes:
        turns = [self._turn(role, group) for role, group in _grouped(request.messages)]
        for at in (-1, -3):
            if len(turns) >= -at:
                # A turn ends with the brace of its last block, its bracket and its own brace.
                turns[at] = turns[at][:-3] + BREAKPOINT + b"]}"
        return self._heads.of(request) + b",".join(turns) + b"]}"

    def _turn(self, role: str, group: Sequence[Message]) -> bytes:
        # Results must come before what else is said, and at once after their calls.
        ordered = sorted(group, key=lambda message: message.role != "tool") if len(group) > 1 else group
        return b'{"role":"%s","content":[%s]}' % (role.encode(), b",".join(map(self._messages.of, ordered)))

    def _blocks(self, message: Message) -> bytes:
        if isinstance(message, AssistantMessage):
            blocks = [self._block(block) for block in message.blocks]
            return b",".join(block for block in blocks if block) or SILENCE
        if isinstance(message, ToolMessage):
            shape: dict[str, Any] = {"type": "tool_result", "tool_use_id": message.call_id, "content": message.text}
            if message.is_error:
                shape["is_error"] = True
            return encode(shape)
        return encode({"type": "text", "text": message.text}) if message.text.strip() else SILENCE

    def _block(self, block: Block) -> bytes:
        if isinstance(block, Text):
            return encode({"type": "text", "text": block.text}) if block.text.strip() else b""
        if isinstance(block, Reasoning):
            return encode(block.opaque) if block.provider == self._endpoint.provider and block.opaque else b""
        opening = encode({"type": "tool_use", "id": block.id, "name": block.name})
        return opening[:-1] + b',"input":' + sendable_arguments(block).encode("utf-8", "replace") + b"}"


def _head(request: ModelRequest) -> bytes:
    fields: dict[str, Any] = {"model": request.model, "max_tokens": request.max_output_tokens, "stream": True}
    if request.tools:
        fields["tools"] = [
            {"name": tool.name, "description": tool.description, "input_schema": tool.parameters}
            for tool in request.tools
        ]
    parts = [part for part in request.system if part.strip()]
    if parts:
        mark = {"cache_control": {"type": "ephemeral"}}
        texts = [parts[0], "\n\n".join(parts[1:])] if len(parts) > 1 else parts
        fields["system"] = [{"type": "text", "text": text, **mark} for text in texts]
    return encode(fields)[:-1] + b',"messages":['


def _grouped(messages: Sequence[Message]) -> list[tuple[str, list[Message]]]:
    """Roles must alternate: what users and tools say in a row is one message."""
    groups: list[tuple[str, list[Message]]] = []
    for message in messages:
        role = "assistant" if message.role == "assistant" else "user"
        if groups and groups[-1][0] == role:
            groups[-1][1].append(message)
        else:
            groups.append((role, [message]))
    return groups


class MessagesAnswer:
    """An answer as it grows, block by block."""

    def __init__(self, endpoint: Endpoint, model: str) -> None:
        self._endpoint = endpoint
        self._model = model
        self._blocks: dict[int, dict[str, Any]] = {}
        self._pieces: dict[int, dict[str, list[str]]] = {}
        self._usage: dict[str, Any] = {}
        self._stop = ""
        self.finished = False

    def take(self, event: dict[str, Any]) -> list[tuple[str, str]]:
        kind = event.get("type")
        if kind == "error":
            raise refused(self._endpoint, _refusal(event))
        if kind == "message":
            self._whole(event)
        elif kind == "message_start":
            message = event.get("message") or {}
            self._model = message.get("model") or self._model
            self._usage.update(message.get("usage") or {})
        elif kind == "content_block_start":
            return self._start(event["index"], event["content_block"])
        elif kind == "content_block_delta":
            return self._delta(event["index"], event["delta"])
        elif kind == "message_delta":
            self._stop = (event.get("delta") or {}).get("stop_reason") or self._stop
            self._usage.update({key: value for key, value in (event.get("usage") or {}).items() if value is not None})
        elif kind == "message_stop":
            self.finished = True
        return []

    def _start(self, index: int, block: dict[str, Any]) -> list[tuple[str, str]]:
        self._blocks[index] = block
        self._pieces[index] = {}
        if block.get("type") == "tool_use":
            return [("tool_call", block.get("name", ""))]
        return [("text", block["text"])] if block.get("text") else []

    def _delta(self, index: int, delta: dict[str, Any]) -> list[tuple[str, str]]:
        if index not in self._blocks:
            raise lost(self._endpoint, "the answer goes on with a block that never began")
        shown = {"text_delta": "text", "thinking_delta": "reasoning", "input_json_delta": "tool_call"}
        fields = {"text_delta": "text", "thinking_delta": "thinking", "signature_delta": "signature"}
        kind = delta.get("type", "")
        field = "partial_json" if kind == "input_json_delta" else fields.get(kind, "")
        piece = delta.get(field) if field else None
        if not isinstance(piece, str) or not piece:
            return []
        self._pieces[index].setdefault(field, []).append(piece)
        return [(shown[kind], piece)] if kind in shown else []

    def _whole(self, message: dict[str, Any]) -> None:
        """A server that does not stream sends the message in one piece."""
        self._model = message.get("model") or self._model
        self._usage = message.get("usage") or {}
        self._stop = message.get("stop_reason") or ""
        for index, block in enumerate(message.get("content") or ()):
            self._start(index, block)
        self.finished = bool(self._stop)

    def answer(self) -> ModelAnswer:
        joined = [self._joined(index) for index in sorted(self._blocks)]
        blocks = tuple(block for block in joined if block is not None)
        calls = any(isinstance(block, ToolCall) for block in blocks)
        return ModelAnswer.model_validate(
            {
                "blocks": blocks,
                "stop": STOPS.get(self._stop, "tool_calls" if calls else "end"),
                "usage": _usage(self._usage),
                "model": self._model,
            }
        )

    def _joined(self, index: int) -> Block | None:
        block = dict(self._blocks[index])
        pieces = {field: "".join(parts) for field, parts in self._pieces[index].items()}
        kind = block.get("type")
        if kind == "tool_use":
            given = json.dumps(block.get("input") or {}, ensure_ascii=False)
            return ToolCall(id=block["id"], name=block["name"], arguments=pieces.get("partial_json") or given)
        if kind == "text":
            text = block.get("text", "") + pieces.get("text", "")
            return Text(text=text) if text else None
        for field, text in pieces.items():
            block[field] = (block.get(field) or "") + text
        return Reasoning(provider=self._endpoint.provider, text=block.get("thinking") or "", opaque=block)


def _usage(usage: dict[str, Any]) -> Usage:
    return Usage(
        input_tokens=usage.get("input_tokens") or 0,
        cache_read_tokens=usage.get("cache_read_input_tokens") or 0,
        cache_write_tokens=usage.get("cache_creation_input_tokens") or 0,
        output_tokens=usage.get("output_tokens") or 0,
        reasoning_tokens=(usage.get("output_tokens_details") or {}).get("thinking_tokens") or 0,
    )


def _refusal(event: dict[str, Any]) -> Refusal:
    message, code = told_error(event)
    return Refusal(status=ERROR_STATUSES.get(code, 500), message=message or str(event), code=code)
