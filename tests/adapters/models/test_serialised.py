"""The cache of bytes."""

import gc
import json

import pytest

from adapters.models.serialised import SerialisedHeads, SerialisedMessages, encode, sendable_arguments
from domain.model import Message, ToolCall, UserMessage
from tests.adapters.models.asking import ask


class Rendering:
    def __init__(self) -> None:
        self.times = 0

    def __call__(self, message: Message) -> bytes:
        self.times += 1
        return encode(message.model_dump())


def test_a_message_is_serialised_once():
    rendering = Rendering()
    kept = SerialisedMessages(rendering)
    message = UserMessage(text="hello")
    assert kept.of(message) == kept.of(message)
    assert rendering.times == 1


def test_the_bytes_go_with_the_message():
    kept = SerialisedMessages(Rendering())
    message = UserMessage(text="x" * 1000)
    kept.of(message)
    assert kept.kept_bytes > 1000
    del message
    gc.collect()
    assert kept.kept_bytes == 0


def test_no_more_than_the_cap_is_kept():
    rendering = Rendering()
    kept = SerialisedMessages(rendering, most_bytes=100)
    long, short = UserMessage(text="x" * 200), UserMessage(text="y")
    assert len(kept.of(long)) > 200
    kept.of(short)
    assert 0 < kept.kept_bytes <= 100
    assert kept.of(long) == kept.of(long)
    assert rendering.times == 4


def test_messages_at_the_same_address_are_not_confused():
    kept = SerialisedMessages(Rendering())
    for number in range(500):
        assert str(number).encode() in kept.of(UserMessage(text=str(number)))


def test_heads_are_kept_per_model_system_and_tools():
    rendered: list[str] = []
    heads = SerialisedHeads(lambda request: rendered.append(request.model) or request.model.encode())
    one, other = ask("one"), ask("other")
    assert [heads.of(one), heads.of(other), heads.of(one)] == [b"one", b"other", b"one"]
    assert rendered == ["one", "other"]
    heads.of(ask("one", system=("Another.",)))
    assert rendered == ["one", "other", "one"]


def test_a_lone_surrogate_does_not_break_a_request():
    assert json.loads(encode({"name": "caf\udce9"})) == {"name": "caf?"}


@pytest.mark.parametrize("arguments", ['{"command": "ls"}', "{}", ' {"a": [1, null]} '])
def test_valid_arguments_are_sent_as_they_were_written(arguments: str):
    assert sendable_arguments(ToolCall(id="c", name="bash", arguments=arguments)) == arguments


@pytest.mark.parametrize("arguments", ["", "{", "[1]", "null", '{"a": NaN}', "ls -l"])
def test_invalid_arguments_are_shown_as_text(arguments: str):
    sent = sendable_arguments(ToolCall(id="c", name="bash", arguments=arguments))
    assert json.loads(sent) == {"invalid_arguments": arguments}
