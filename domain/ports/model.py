"""Who answers."""

import math
from collections.abc import Awaitable, Callable, Sequence
from typing import Protocol

from domain.model import ModelAnswer, ModelCard, ModelRequest, Price
from domain.weather import Place


class Model(Protocol):
    """One provider. Raises ProviderUnavailable (retry), ContextTooLong, ProviderRefused (stop)."""

    async def answer(
        self,
        request: ModelRequest,
        on_delta: Callable[[str, str], Awaitable[None]] | None = None,
        leaves_by: float = math.inf,
    ) -> ModelAnswer:
        """`on_delta(kind, text)` is awaited as tokens come; kinds as in LiveDelta. Raises NotSent where the request
        would leave after `leaves_by`, a time of the monotonic clock."""
        ...

    async def close(self) -> None: ...


class Models(Protocol):
    def get(self, name: str) -> tuple[Model, str]:
        """The provider of `provider:model` and the model's own name. Raises ProviderRefused with what to set."""
        ...

    def place(self, name: str) -> Place:
        """Where `provider:model` is asked, for what runs tell each other. Raises ProviderRefused as `get` does."""
        ...

    def price(self, name: str) -> Price: ...

    def check(self, name: str) -> None:
        """Raises InvalidRequest where the provider is unknown or its key is missing. Imports no vendor."""
        ...

    def catalogue(self) -> Sequence[ModelCard]: ...
