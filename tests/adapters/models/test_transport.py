"""Every exception of each SDK, and of httpx2 beneath, has a meaning."""

import inspect
import ssl
from types import ModuleType

import anthropic
import anthropic._exceptions
import httpx2
import httpx2._exceptions
import openai
import openai._exceptions
import pytest

from adapters.models import anthropic as anthropic_adapter
from adapters.models import openai as openai_adapter
from adapters.models.transport import HTTPX2, Meaning, meaning_of, told_error, translate
from domain.errors import ContextTooLong, KeyRefused, ProviderBusy, ProviderRefused, ProviderUnavailable, QuotaUsedUp
from tests.adapters.models.asking import endpoint

HERE = endpoint("http://vendor.test")
REQUEST = httpx2.Request("POST", "http://vendor.test/v1")
SDKS = {
    "openai": (openai._exceptions, openai.OpenAIError, openai_adapter.MEANINGS),
    "anthropic": (anthropic._exceptions, anthropic.AnthropicError, anthropic_adapter.MEANINGS),
}


def exceptions_of(module: ModuleType) -> list[type[BaseException]]:
    """Those that it defines, not those that it imports."""
    package = module.__name__.partition(".")[0]
    every = [each for _, each in inspect.getmembers(module, inspect.isclass) if issubclass(each, BaseException)]
    return [each for each in every if each.__module__.startswith(package) and not issubclass(each, Warning)]


def descendants(root: type[BaseException]) -> set[type[BaseException]]:
    found = set(root.__subclasses__())
    return found.union(*(descendants(each) for each in found), {root})


def instance(kind: type[BaseException], status: int = 400) -> BaseException:
    """As the SDK would make it: status errors from a response, others from a message where they take one."""
    if issubclass(kind, openai.APIStatusError | anthropic.APIStatusError):
        fixed = getattr(kind, "status_code", status)
        response = httpx2.Response(int(fixed), request=REQUEST)
        if issubclass(kind, openai.OAuthError):
            return kind(response=response, body=None)
        return kind("said", response=response, body=None)
    try:
        return kind("said")
    except TypeError:
        error = kind.__new__(kind)
        error.args = ("said",)
        return error


@pytest.mark.parametrize("sdk", SDKS)
def test_every_exception_of_an_sdk_is_named(sdk: str):
    module, _, table = SDKS[sdk]
    names = {each.__name__ for each in exceptions_of(module)}
    assert len(names) > 15
    assert names <= table.keys()
    assert table.keys() <= names, "the table names what the SDK no longer has"


@pytest.mark.parametrize("sdk", SDKS)
def test_every_loaded_descendant_becomes_one_of_ours(sdk: str):
    _, root, table = SDKS[sdk]
    for kind in descendants(root):
        translated = translate(HERE, instance(kind), table)
        assert isinstance(translated, ProviderUnavailable | ProviderRefused | ContextTooLong), kind


def test_every_exception_of_httpx2_is_named_and_becomes_one_of_ours():
    kinds = exceptions_of(httpx2._exceptions)
    assert len(kinds) > 20
    assert {kind.__name__ for kind in kinds} <= HTTPX2.keys()
    for kind in {*kinds, *descendants(httpx2.HTTPError)}:
        assert isinstance(translate(HERE, instance(kind), {}), ProviderUnavailable | ProviderRefused), kind


@pytest.mark.parametrize(
    ("sdk", "name", "ours"),
    [
        ("openai", "RateLimitError", ProviderBusy),
        ("openai", "AuthenticationError", KeyRefused),
        ("openai", "NotFoundError", ProviderRefused),
        ("openai", "ConflictError", ProviderUnavailable),
        ("openai", "APITimeoutError", ProviderUnavailable),
        ("openai", "ContentFilterFinishReasonError", ProviderRefused),
        ("anthropic", "OverloadedError", ProviderBusy),
        ("anthropic", "ContentTooLargeError", ContextTooLong),
        ("anthropic", "PaymentRequiredError", QuotaUsedUp),
        ("anthropic", "RequestTimeoutError", ProviderUnavailable),
        ("anthropic", "HTTPNotImplementedError", ProviderRefused),
        ("anthropic", "CredentialsError", ProviderRefused),
    ],
)
def test_each_means_what_its_name_says(sdk: str, name: str, ours: type[Exception]):
    module, _, table = SDKS[sdk]
    assert type(translate(HERE, instance(getattr(module, name)), table)) is ours


def test_a_connection_error_means_what_caused_it():
    error = openai.APIConnectionError(request=REQUEST)
    error.__cause__ = httpx2.UnsupportedProtocol("no http:// in it")
    translated = translate(HERE, error, openai_adapter.MEANINGS)
    assert isinstance(translated, ProviderRefused)
    assert "VENDOR_URL" in translated.next_step
    error.__cause__ = ssl.SSLError("bad record")
    assert isinstance(translate(HERE, error, openai_adapter.MEANINGS), ProviderUnavailable)


def test_what_is_nobodys_stays_what_it_is():
    for error in (KeyError("mine"), OSError("disk"), AssertionError()):
        assert meaning_of(error, openai_adapter.MEANINGS) is None
        assert translate(HERE, error, openai_adapter.MEANINGS) is None


def test_a_meaning_is_inherited():
    class Newer(openai.RateLimitError):
        pass

    assert meaning_of(Newer.__new__(Newer), openai_adapter.MEANINGS) is Meaning.STATUS


@pytest.mark.parametrize(
    ("body", "told"),
    [
        ({"error": {"message": "m", "code": "c", "type": "t"}}, ("m", "c")),
        ({"error": {"message": "m", "type": "t"}}, ("m", "t")),
        ({"error": {"message": "m", "type": "t", "details": {"error_code": "d"}}}, ("m", "d")),
        ({"error": "plain"}, ("plain", "")),
        ({"detail": [{"msg": "x"}]}, ('[{"msg": "x"}]', "")),
        ({"object": "error", "message": "m", "code": 404}, ("m", "404")),
        ("text", ("text", "")),
        (None, ("", "")),
    ],
)
def test_error_bodies_of_many_servers_are_read(body: object, told: tuple[str, str]):
    assert told_error(body) == told
