"""The providers of language models, by name."""

from collections.abc import Callable, Mapping, Sequence
from importlib import import_module
from pathlib import Path

from pydantic import SecretStr

from adapters.models import prices
from adapters.models.anthropic import AnthropicModel
from adapters.models.endpoint import Endpoint, Patience
from adapters.models.openai import OpenAIModel
from domain.errors import InvalidRequest, ProviderRefused
from domain.model import ModelCard, Price
from domain.ports.model import Model
from domain.value import Value
from domain.weather import Place


class Provider(Value):
    """A name before the colon, what it is made by, and the variables that it is set with."""

    make: Callable[[Endpoint, Patience | None], Model]
    library: str
    key_variable: str
    url_variable: str
    default_url: str = ""
    """Where its URL variable is not set."""
    url_suffix: str = ""
    fixed_key: str = ""


PROVIDERS: Mapping[str, Provider] = {
    "openai": Provider(
        make=OpenAIModel,
        library="openai",
        key_variable="OPENAI_API_KEY",
        url_variable="OPENAI_BASE_URL",
        default_url="https://api.openai.com/v1",
    ),
    "anthropic": Provider(
        make=AnthropicModel,
        library="anthropic",
        key_variable="ANTHROPIC_API_KEY",
        url_variable="ANTHROPIC_BASE_URL",
        default_url="https://api.anthropic.com",
    ),
    "scripted": Provider(
        make=OpenAIModel,
        library="openai",
        key_variable="SCRIPTED_BASE_URL",
        url_variable="SCRIPTED_BASE_URL",
        url_suffix="/v1",
        fixed_key="scripted",
    ),
    "scripted:anthropic/": Provider(
        make=AnthropicModel,
        library="anthropic",
        key_variable="SCRIPTED_BASE_URL",
        url_variable="SCRIPTED_BASE_URL",
        fixed_key="scripted",
    ),
}


def load_libraries(environment: Mapping[str, str]) -> None:
    """Those of the providers that are set up; they are loaded at first use otherwise, for half a second each."""
    for known in PROVIDERS.values():
        if environment.get(known.key_variable) or environment.get(known.url_variable):
            import_module(known.library)


class ProviderModels:
    """Implements `domain.ports.Models`; providers are made at first use and closed with `close`."""

    def __init__(
        self, environment: Mapping[str, str], prices_path: str | None = None, patience: Patience | None = None
    ) -> None:
        self._environment = environment
        self._patience = patience
        self._own_prices = prices.read_prices(Path(prices_path)) if prices_path else None
        self._prices = prices.read_prices(prices.SHIPPED)
        self._made: dict[str, Model] = {}

    def get(self, name: str) -> tuple[Model, str]:
        """Raises ProviderRefused with what to set."""
        provider, model = self._known(name)
        if provider not in self._made:
            self._made[provider] = PROVIDERS[provider].make(self._endpoint(provider), self._patience)
        return self._made[provider], model

    def place(self, name: str) -> Place:
        """Raises ProviderRefused with what to set."""
        provider, model = self._known(name)
        return Place(endpoint=self._endpoint(provider).fingerprint, model=model)

    def price(self, name: str) -> Price:
        own = self._own_prices.price(name) if self._own_prices else None
        return own or self._prices.price(name) or prices.FREE

    def check(self, name: str) -> None:
        """Raises InvalidRequest where the provider is unknown or its key is missing."""
        provider, _ = _split(name)
        remedy = self._remedy(provider)
        if remedy:
            raise InvalidRequest(f"The model {name} cannot be reached.", remedy)

    def catalogue(self) -> Sequence[ModelCard]:
        """Every model with a price of its own, and the scripts that ship; other names may be asked for too."""
        # The server's own libraries are loaded only where its scripts are listed.
        from adapters.models.scripted.script import ScriptShelf

        lists = [self._prices] if self._own_prices is None else [self._own_prices, self._prices]
        names = [name for provider in ("openai", "anthropic") for each in lists for name in each.names(provider)]
        names += [f"scripted:{script}" for script in ScriptShelf().names()]
        return [self._card(name) for name in dict.fromkeys(names)]

    async def close(self) -> None:
        for model in self._made.values():
            await model.close()
        self._made.clear()

    def _known(self, name: str) -> tuple[str, str]:
        try:
            provider, model = _split(name)
        except InvalidRequest as error:
            raise ProviderRefused(error.message, error.next_step) from error
        if remedy := self._remedy(provider):
            raise ProviderRefused(f"The model {name} cannot be reached.", remedy)
        return provider, model

    def _card(self, name: str) -> ModelCard:
        remedy = self._remedy(_split(name)[0])
        return ModelCard(name=name, price=self.price(name), ready=not remedy, remedy=remedy)

    def _remedy(self, provider: str) -> str:
        """Empty where the provider can be asked."""
        known = PROVIDERS[provider]
        if self._environment.get(known.key_variable):
            return ""
        if self._environment.get(known.url_variable):
            # Local servers ask for no key.
            return ""
        if known.fixed_key:
            return f"Set {known.url_variable} to a scripted model's URL (python -m adapters.models.scripted)."
        return f"Set {known.key_variable}, or {known.url_variable} for a server that needs no key."

    def _endpoint(self, provider: str) -> Endpoint:
        known = PROVIDERS[provider]
        url = (self._environment.get(known.url_variable) or known.default_url).rstrip("/")
        if known.fixed_key:
            url = url.removesuffix("/v1") + known.url_suffix
        tag = provider.rstrip("/")
        if url != known.default_url and not known.fixed_key:
            # Reasoning of one server is nothing to another.
            tag = f"{tag}@{url.partition('://')[2].partition('/')[0]}"
        key = known.fixed_key or self._environment.get(known.key_variable) or "none"
        return Endpoint(
            provider=tag,
            base_url=url,
            key=SecretStr(key),
            key_variable=known.key_variable,
            url_variable=known.url_variable,
        )


def _split(name: str) -> tuple[str, str]:
    """The key in PROVIDERS and the model's own name."""
    provider, _, model = name.partition(":")
    if provider not in PROVIDERS or not model:
        known = ", ".join(key for key in PROVIDERS if ":" not in key)
        raise InvalidRequest(
            f"There is no model {name!r}.", f"A model is named provider:model; the providers are {known}."
        )
    if provider == "scripted" and model.startswith("anthropic/"):
        return "scripted:anthropic/", model.removeprefix("anthropic/")
    return provider, model
