"""JSON of what never changes: each message and each list of tools is serialised once."""

import json
import weakref
from collections import OrderedDict
from collections.abc import Callable
from typing import Any

from pydantic_core import to_json

from domain.model import Message, ModelRequest, ToolCall

MOST_BYTES = 64 * 1024 * 1024
MOST_HEADS = 64


def _refuse(constant: str) -> None:
    raise ValueError(constant)


STRICT = json.JSONDecoder(parse_constant=_refuse)
"""Python reads NaN and Infinity, JSON does not."""


def encode(value: Any) -> bytes:
    """Compact and byte-stable; a lone surrogate becomes a question mark, since no provider takes it."""
    try:
        return to_json(value)
    except ValueError:
        return json.dumps(value, ensure_ascii=False, separators=(",", ":")).encode("utf-8", "replace")


def sendable_arguments(call: ToolCall) -> str:
    """Invalid JSON would be refused by many servers, so the model is shown what it wrote as a string."""
    try:
        valid = isinstance(STRICT.decode(call.arguments), dict)
    except ValueError:
        valid = False
    return call.arguments if valid else json.dumps({"invalid_arguments": call.arguments}, ensure_ascii=False)


class SerialisedMessages:
    """Keeps the bytes of a message exactly as long as the message lives, so it never outgrows the conversations."""

    def __init__(self, render: Callable[[Message], bytes], most_bytes: int = MOST_BYTES) -> None:
        self._render = render
        self._most_bytes = most_bytes
        self.kept_bytes = 0
        self._kept: dict[int, tuple[weakref.ref[Message], bytes]] = {}

    def of(self, message: Message) -> bytes:
        known = self._kept.get(id(message))
        if known is not None:
            return known[1]
        rendered = self._render(message)
        if self.kept_bytes + len(rendered) <= self._most_bytes:
            self.kept_bytes += len(rendered)
            identity = id(message)
            self._kept[identity] = (weakref.ref(message, lambda _: self._forget(identity)), rendered)
        return rendered

    def _forget(self, identity: int) -> None:
        known = self._kept.pop(identity, None)
        if known is not None:
            self.kept_bytes -= len(known[1])


class SerialisedHeads:
    """What stands before the messages: model, system and tools, which a run never changes."""

    def __init__(self, render: Callable[[ModelRequest], bytes]) -> None:
        self._render = render
        # The tools are held, so that an id in a key cannot come to mean other tools.
        self._kept: OrderedDict[tuple[object, ...], tuple[object, bytes]] = OrderedDict()

    def of(self, request: ModelRequest) -> bytes:
        tools = tuple(map(id, request.tools))
        key = (request.model, request.max_output_tokens, request.system, tools)
        known = self._kept.get(key)
        if known is None:
            known = (request.tools, self._render(request))
            self._kept[key] = known
            if len(self._kept) > MOST_HEADS:
                self._kept.popitem(last=False)
        else:
            self._kept.move_to_end(key)
        return known[1]
