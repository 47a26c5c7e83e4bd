"""What is asked, whichever wire format it came in."""

import hashlib
import re
from collections.abc import Sequence
from typing import Any, Literal

from domain.value import Value

TOOL_NAME = re.compile(r"[a-zA-Z0-9_-]{1,64}")
CALL_ID = re.compile(r"[a-zA-Z0-9_-]{1,64}")


Cache = Literal["implicit", "explicit", "none"]
"""OpenAI caches by itself, Anthropic from breakpoint to breakpoint."""


class WireProblem(Exception):
    """What the real service would answer instead: a status and a message."""

    def __init__(self, status: int, message: str) -> None:
        super().__init__(message)
        self.status = status
        self.message = message


class Question(Value):
    model: str
    system: str
    tools: tuple[str, ...]
    first_user: str
    since: str
    """Tool results and user messages after the last answer."""
    turn: int
    """How many answers the conversation holds."""
    characters: int
    cached_characters: int
    """What the request before this one held."""
    cache: Cache
    stream: bool
    stream_usage: bool = True

    @property
    def fingerprint(self) -> str:
        said = "\0".join((self.model, self.system, ",".join(self.tools), self.first_user))
        return hashlib.blake2b(said.encode("utf-8", "replace"), digest_size=8).hexdigest()


class Heard(Value):
    """One message as either format tells it."""

    role: str
    text: str
    characters: int


def insist(condition: bool, message: str) -> None:
    if not condition:
        raise WireProblem(400, message)


def text_field(value: object, place: str, empty: bool = True) -> str:
    if not isinstance(value, str):
        raise WireProblem(400, f"{place}: expected a string")
    insist(empty or bool(value), f"{place}: must not be empty")
    return value


def list_field(value: object, place: str) -> list[Any]:
    if not isinstance(value, list):
        raise WireProblem(400, f"{place}: expected an array")
    return value


def object_field(value: object, place: str) -> dict[str, Any]:
    if not isinstance(value, dict):
        raise WireProblem(400, f"{place}: expected an object")
    return value


def put_question(
    body: dict[str, Any],
    heard: Sequence[Heard],
    system: str,
    tools: Sequence[str],
    fixed_characters: int,
    cache: Cache,
    stream_usage: bool = True,
) -> Question:
    """Joins what a wire format has read; `fixed_characters` is the length of system and tools."""
    answers = [at for at, message in enumerate(heard) if message.role == "assistant"]
    last = answers[-1] if answers else None
    first_user = next((message.text for message in heard if message.role == "user"), "")
    cached = 0 if last is None else fixed_characters + sum(message.characters for message in heard[:last])
    return Question(
        model=text_field(body.get("model"), "model", empty=False),
        system=system,
        tools=tuple(tools),
        first_user=first_user,
        since="\n".join(message.text for message in heard[0 if last is None else last + 1 :]),
        turn=len(answers),
        characters=fixed_characters + sum(message.characters for message in heard),
        cached_characters=cached,
        cache=cache,
        stream=body.get("stream") is True,
        stream_usage=stream_usage,
    )
