"""What the API is joined from; tests join the same parts with others."""

from collections.abc import Callable, Mapping, Sequence
from contextlib import AbstractAsyncContextManager
from dataclasses import dataclass, field
from typing import Annotated, Protocol, cast

from fastapi import Depends, Request

from api.hindrances import Hindrance
from domain.approval import DecideApproval
from domain.mailbox import CancelRun, PauseRun, ResumeRun, SendMessage
from domain.notify import Notify
from domain.ports import Blobs, Forges, Journal, Models, Prompts, Snapshots
from domain.run import Pace, RunInput
from domain.secrets import Mask
from domain.terms import Site

Word = PauseRun | ResumeRun | CancelRun | SendMessage | DecideApproval


class RunControl(Protocol):
    """The way to running runs. Raises WorldError where Temporal cannot be reached."""

    async def start(self, run: RunInput) -> None:
        """Starting a run twice is starting it once."""
        ...

    async def send(self, run_id: str, word: Word) -> bool:
        """True once the run took the word, False where it will read it when a worker is up.

        Raises NotFound where Temporal knows no such run, Conflict where it has ended or the word makes no sense now."""
        ...

    async def check(self) -> None: ...

    async def workers(self) -> Sequence[str]:
        """Identities of the workers that served the task queue within the last 90 seconds, in a version that serves."""
        ...

    async def hindrances(self) -> Mapping[str, Hindrance]:
        """Why runs cannot go on where the journal cannot say it; by run, or for all under ""."""
        ...


class Tokens(Protocol):
    async def owner_of(self, token: str) -> tuple[str, str] | None:
        """Owner and role of a token that is known."""
        ...


@dataclass(frozen=True)
class ApiSettings:
    api_token: str | None = field(default=None, repr=False)
    """The operator's own token; its bearer is an admin."""
    default_model: str | None = None
    fallback_models: tuple[str, ...] = ()
    """Where neither the request, nor the operator's file for the agent kind, nor the agent kind names any."""
    agent_fallback_models: Mapping[str, tuple[str, ...]] = field(default_factory=dict)
    """What the operator's file says, by agent kind."""
    namespace: str = "default"
    temporal_ui_url: str = "http://127.0.0.1:8233"
    public_url: str = "http://127.0.0.1:8080"
    allowed_paths: tuple[str, ...] = ()
    allowed_hosts: tuple[str, ...] = ()
    signal_decisions: bool = True
    """Whether a bare Temporal signal may decide approvals."""
    pace: Pace = field(default_factory=Pace)
    notify: Notify = field(default_factory=Notify)
    sweep_seconds: float = 2.0
    retention_days: float | None = None
    """How long ended runs are kept; None: until somebody deletes them."""
    retention_sweep_seconds: float = 3600.0
    keep_alive_seconds: float = 15.0


@dataclass(frozen=True)
class ApiParts:
    journal: Journal
    snapshots: Snapshots
    blobs: Blobs
    models: Models
    prompts: Prompts
    runs: RunControl
    tokens: Tokens
    settings: ApiSettings
    forges: Forges | None = None
    """None: this server opens no pull requests."""
    mask: Mask = field(default_factory=Mask)
    site: Site = field(default_factory=Site)
    """Of which the API shows what teams may use."""


PartsFactory = Callable[[], AbstractAsyncContextManager[ApiParts]]


def parts_of(request: Request) -> ApiParts:
    return cast(ApiParts, request.app.state.parts)


Parts = Annotated[ApiParts, Depends(parts_of)]
