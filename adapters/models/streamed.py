"""How every provider is asked: one request, one stream, one error of ours."""

import asyncio
import math
from abc import ABC, abstractmethod
from collections.abc import AsyncGenerator, Awaitable, Callable, Mapping
from contextlib import asynccontextmanager
from typing import TYPE_CHECKING, Any, Generic, Protocol, TypeVar

from adapters.models.endpoint import Endpoint, Patience
from adapters.models.failures import lost, unreadable
from adapters.models.leaving import leaving_by, not_sent
from adapters.models.stream import read_events
from adapters.models.transport import Meaning, translate
from domain.errors import PerdureError
from domain.model import ModelAnswer, ModelRequest

if TYPE_CHECKING:
    import httpx2

STREAM: bool = True
"""A bool and no Literal: the overload of the SDKs' `post` for it is the one that may give the plain response."""

OnDelta = Callable[[str, str], Awaitable[None]]


class GrowingAnswer(Protocol):
    finished: bool
    """Whether the provider said why it stopped: an answer without that was cut off."""

    def take(self, event: dict[str, Any]) -> list[tuple[str, str]]:
        """What is new in an event, by kind. Raises the domain's error where the event is one."""
        ...

    def answer(self) -> ModelAnswer: ...


class Client(Protocol):
    async def close(self) -> None: ...


ClientT = TypeVar("ClientT", bound=Client)


class StreamedModel(ABC, Generic[ClientT]):
    """One client for all runs. An SDK is imported at the first answer, in a thread: that takes seconds."""

    def __init__(self, endpoint: Endpoint, meanings: Mapping[str, Meaning], patience: Patience | None) -> None:
        self._endpoint = endpoint
        self._meanings = meanings
        self._patience = patience or Patience()
        self._client: ClientT | None = None
        self._opening = asyncio.Lock()

    async def answer(
        self, request: ModelRequest, on_delta: OnDelta | None = None, leaves_by: float = math.inf
    ) -> ModelAnswer:
        """Raises ProviderUnavailable, ContextTooLong or ProviderRefused; NotSent where it would leave too late."""
        growing = self._growing(request)
        async with self._translated():
            with leaving_by(leaves_by):
                response = await self._send(await self._open(), self._body(request))
            try:
                async for event in read_events(response, self._endpoint, self._patience):
                    for kind, text in self._taken(growing, event):
                        if on_delta is not None:
                            await on_delta(kind, text)
            finally:
                await response.aclose()
        if not growing.finished:
            raise lost(self._endpoint, "the answer ended before it was finished")
        answer = growing.answer()
        if not answer.blocks and answer.stop in ("end", "tool_calls"):
            raise unreadable(self._endpoint, "the answer is empty")
        return answer

    async def close(self) -> None:
        client, self._client = self._client, None
        if client is not None:
            await client.close()

    def _taken(self, growing: GrowingAnswer, event: dict[str, Any]) -> list[tuple[str, str]]:
        try:
            return growing.take(event)
        except (AttributeError, LookupError, TypeError, ValueError) as error:
            raise unreadable(self._endpoint, f"an event of an unknown shape: {str(event)[:200]}") from error

    @asynccontextmanager
    async def _translated(self) -> AsyncGenerator[None]:
        """Errors of the SDK become ours; those of `on_delta` pass."""
        allowed = self._patience.total_seconds
        clock = asyncio.timeout(allowed)
        try:
            async with clock:
                yield
        except PerdureError:
            raise
        except TimeoutError as error:
            if not clock.expired():
                raise
            raise lost(self._endpoint, f"no whole answer in {allowed:g} s") from error
        except Exception as error:
            if (late := not_sent(error)) is not None:
                raise late from error
            translated = translate(self._endpoint, error, self._meanings)
            if translated is None:
                raise
            raise translated from error

    async def _open(self) -> ClientT:
        async with self._opening:
            if self._client is None:
                self._client = await asyncio.to_thread(self._connected)
            return self._client

    @abstractmethod
    def _connected(self) -> ClientT:
        """The SDK's client; called in a thread."""

    @abstractmethod
    def _body(self, request: ModelRequest) -> bytes: ...

    @abstractmethod
    def _growing(self, request: ModelRequest) -> GrowingAnswer: ...

    @abstractmethod
    async def _send(self, client: ClientT, body: bytes) -> "httpx2.Response":
        """By the SDK's client, without its walk through the request and through each event of the answer."""
