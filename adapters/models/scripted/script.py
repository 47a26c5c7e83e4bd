"""What a scripted model says: the format of a script, and where scripts are found."""

import threading
from collections.abc import Sequence
from pathlib import Path
from typing import Any, Literal

import yaml
from pydantic import Field, ValidationError

from adapters.models.scripted.question import WireProblem
from domain.errors import InvalidRequest
from domain.model import Usage
from domain.value import Value

SHIPPED = Path(__file__).parent / "scripts"


class Call(Value):
    name: str
    arguments: dict[str, Any] | str = {}
    """A string is sent as it is, so that a script can write invalid JSON."""
    unknown: bool = False
    """Allows a tool that was not offered."""


class Saying(Value):
    """What the model says in one turn. In any string `{n}` becomes the turn's number, `{arg}` what follows `@`."""

    text: str = ""
    reasoning: str = ""
    calls: tuple[Call, ...] = ()
    stop: Literal["end", "tool_calls", "length", "refused"] | None = None
    usage: Usage | None = None
    """None: computed from lengths, four characters to a token, what was sent before read from the cache."""


class Branch(Saying):
    matches: str
    """A regular expression, searched in what was said since the last answer."""


class Repeat(Value):
    turns: int | Literal["{arg}"]


class Turn(Saying):
    expect: str | tuple[str, ...] = ()
    """Substrings that what was said since the last answer must hold; else the answer is a 422 that says so."""
    choose: tuple[Branch, ...] = ()
    """The first branch that matches is said instead."""
    repeat: Repeat | None = None
    latency_ms: int | None = None


class When(Value):
    """All that is given must hold."""

    tool: str | None = None
    """The name of a tool that is offered."""
    system: str | None = None
    """A substring of the system prompt."""
    user: str | None = None
    """A substring of the first user message."""


class Conversation(Value):
    when: When = When()
    turns: tuple[Turn, ...] = Field(min_length=1)


class Script(Value):
    about: str = ""
    latency_ms: int = 0
    """Before the first byte of each answer."""
    piece_characters: int = Field(default=200, ge=1)
    """How much of a text or of arguments goes into one event of the stream."""
    piece_ms: int = 0
    """Between the events of a stream."""
    conversations: tuple[Conversation, ...] = Field(min_length=1)
    """The first whose `when` holds is taken."""


def read_script(text: str, name: str = "script") -> Script:
    """Raises InvalidRequest with the place of the mistake."""
    try:
        return Script.model_validate(yaml.safe_load(text))
    except yaml.YAMLError as error:
        raise InvalidRequest(f"{name} is not YAML: {error}") from error
    except ValidationError as error:
        first = error.errors()[0]
        place = ".".join(str(part) for part in first["loc"])
        raise InvalidRequest(f"{name}: {place}: {first['msg']}", "See docs/scripted-models.md.") from error


class ScriptShelf:
    """Scripts by name: those added, then those in the given files and directories, then those that ship."""

    def __init__(self, places: Sequence[Path] = ()) -> None:
        self._places = (*places, SHIPPED)
        self._added: dict[str, Script] = {}
        self._read: dict[Path, tuple[int, Script]] = {}
        self._lock = threading.Lock()

    def add(self, name: str, script: Script | str) -> None:
        self._added[name] = script if isinstance(script, Script) else read_script(script, name)

    def get(self, model: str) -> Script:
        """`model` is `<script>` or `<script>@<arg>`. Raises WireProblem 404, or 422 where the file is wrong."""
        name = model.split("@", 1)[0]
        if name in self._added:
            return self._added[name]
        path = self._paths().get(name)
        if path is None:
            raise WireProblem(404, f"The model `{model}` does not exist. Scripts: {', '.join(self.names())}")
        try:
            return self._load(path)
        except InvalidRequest as error:
            raise WireProblem(422, error.message) from error

    def names(self) -> tuple[str, ...]:
        return tuple(sorted({*self._added, *self._paths()}))

    def _paths(self) -> dict[str, Path]:
        found: dict[str, Path] = {}
        for place in self._places:
            for path in sorted(place.glob("*.yaml")) if place.is_dir() else [place]:
                found.setdefault(path.stem, path)
        return found

    def _load(self, path: Path) -> Script:
        changed = path.stat().st_mtime_ns
        with self._lock:
            known = self._read.get(path)
            if known is None or known[0] != changed:
                known = (changed, read_script(path.read_text(), path.name))
                self._read[path] = known
            return known[1]
