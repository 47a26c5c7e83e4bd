"""What a tool is: a name, a pydantic class of arguments and a function."""

from collections.abc import Awaitable, Callable, Sequence
from dataclasses import dataclass
from typing import Any, Protocol

from pydantic import ConfigDict

from domain.approval import Plan
from domain.child import ChildEnd
from domain.effect import Receipt
from domain.event import EffectDone
from domain.sandbox import CommandResult
from domain.secrets import Mask
from domain.tool import ToolDefinition, ToolResult
from domain.value import Value
from domain.web import WebAnswer, WebRequest


class Arguments(Value):
    """The docstring under a field is the description that the language model reads."""

    model_config = ConfigDict(use_attribute_docstrings=True)


@dataclass(frozen=True)
class ToolOutcome:
    """`cwd` and `environment` are the shell's after the call; None leaves them as they were."""

    result: ToolResult
    cwd: str | None = None
    environment: dict[str, str] | None = None
    todo: tuple[dict[str, Any], ...] | None = None
    plan: Plan | None = None
    finished: bool = False
    child: ChildEnd | None = None
    void: bool = False
    """Whatever it changed is thrown away."""


class ToolContext(Protocol):
    """What a tool may do: run commands in the sandbox, in the workspace as this call sees it."""

    cwd: str
    environment: dict[str, str]
    """What earlier calls exported and the defaults do not have."""
    defaults: dict[str, str]
    """The sandbox's own variables: every command has them, unless it is given others of the same name."""
    first_finish: bool
    """True where the phase has seen no `finish` yet."""
    base_commit: str
    """Commit of the base, or "empty"."""
    longest_seconds: int
    """No command takes longer, whatever it asks for."""
    mask: Mask

    async def run(
        self,
        argv: Sequence[str],
        *,
        stdin: bytes = b"",
        cwd: str | None = None,
        environment: dict[str, str] | None = None,
        timeout_seconds: float = 30.0,
        keep_bytes: int = 64 * 1024,
        split_error: bool = False,
        spool: bool = False,
        report: bool = False,
        exact: bool = False,
    ) -> CommandResult:
        """Runs a command. `environment` replaces that of the call, over `defaults`. With `spool` the whole output is
        kept for `output_note`, with `report` file descriptor 3 is read. What looks like a secret is masked, unless the
        output is wanted `exact`. Host side failures raise; a failing command is a result."""
        ...

    async def output_note(self) -> tuple[str, str] | None:
        """After a spooled command whose output was cut: (path inside the sandbox, address in the blob store)."""
        ...


class Reach(Protocol):
    """What a tool may do that reaches out through the worker, to the hosts that are open to the run."""

    mask: Mask

    async def send(self, request: WebRequest) -> WebAnswer:
        """As domain.ports.Web does. What changes something is sent from within `perform` alone."""
        ...

    async def perform(
        self, kind: str, target: str, about: str, request: Any, act: Callable[[str], Awaitable[Receipt]]
    ) -> EffectDone:
        """The call's one effect, by the ledger: `act` gets the id that says the same to receivers each time. `request`
        is all that makes it what it is; of it a hash is kept. Raises EffectInDoubt, which is the workflow's to read."""
        ...


@dataclass(frozen=True)
class Tool:
    """`run` raises ModelMistake where the arguments, though well formed, cannot be acted on."""

    definition: ToolDefinition
    description: str
    arguments: type[Arguments]
    run: Callable[[Any, ToolContext], Awaitable[ToolOutcome]]
    networked: bool = False
    """Its commands reach the hosts that the operator opened to the run."""
    reads_with: Callable[[Any], bool] | None = None
    """Of a tool that changes something outside: whether these arguments only read."""
    reach_out: Callable[[Any, Reach], Awaitable[ToolOutcome]] | None = None
    """Instead of `run`, where the worker itself acts and not a command in the sandbox."""

    def defined(self, arguments: Arguments | Value) -> ToolDefinition:
        """The definition as it holds for these arguments."""
        if self.reads_with is None or not self.reads_with(arguments):
            return self.definition
        return self.definition.model_copy(update={"tool_class": "read"})


def said(text: str, *, is_error: bool = False) -> ToolOutcome:
    """An outcome that is only something to read."""
    return ToolOutcome(ToolResult(text=text, is_error=is_error))
