"""Exceptions of an SDK and of httpx2 beneath it, by class name, so that naming them imports neither."""

import json
from collections.abc import Mapping
from enum import Enum
from typing import Any

from adapters.models.endpoint import Endpoint
from adapters.models.failures import Refusal, lost, misdirected, refused, unreachable
from domain.errors import PerdureError, ProviderRefused


class Meaning(Enum):
    STATUS = "the provider answered with an error status"
    LOST = "no answer, or not all of it"
    UNREACHABLE = "no connection"
    ADDRESS = "the base URL is wrong"
    CAUSE = "says less than its cause"
    SET_UP = "the client is not set up as it must be"
    POLICY = "the provider's filter"


HTTPX2 = {
    "HTTPError": Meaning.LOST,
    "RequestError": Meaning.LOST,
    "TransportError": Meaning.LOST,
    "TimeoutException": Meaning.LOST,
    "ConnectTimeout": Meaning.UNREACHABLE,
    "ReadTimeout": Meaning.LOST,
    "WriteTimeout": Meaning.LOST,
    "PoolTimeout": Meaning.LOST,
    "NetworkError": Meaning.LOST,
    "ReadError": Meaning.LOST,
    "WriteError": Meaning.LOST,
    "ConnectError": Meaning.UNREACHABLE,
    "CloseError": Meaning.LOST,
    "ProxyError": Meaning.UNREACHABLE,
    "UnsupportedProtocol": Meaning.ADDRESS,
    "ProtocolError": Meaning.LOST,
    "LocalProtocolError": Meaning.SET_UP,
    "RemoteProtocolError": Meaning.LOST,
    "DecodingError": Meaning.LOST,
    "TooManyRedirects": Meaning.ADDRESS,
    "HTTPStatusError": Meaning.STATUS,
    "InvalidURL": Meaning.ADDRESS,
    "CookieConflict": Meaning.LOST,
    "StreamError": Meaning.LOST,
    "StreamConsumed": Meaning.LOST,
    "StreamClosed": Meaning.LOST,
    "ResponseNotRead": Meaning.LOST,
    "RequestNotRead": Meaning.LOST,
    "SSLError": Meaning.LOST,
    "EndOfStream": Meaning.LOST,
}


def meaning_of(error: BaseException, table: Mapping[str, Meaning]) -> Meaning | None:
    """By the nearest ancestor that a table names; None for what is neither the SDK's nor httpx2's."""
    for ancestor in type(error).__mro__:
        meaning = table.get(ancestor.__name__) or HTTPX2.get(ancestor.__name__)
        if meaning is not None:
            return meaning
    return None


def translate(endpoint: Endpoint, error: BaseException, table: Mapping[str, Meaning]) -> PerdureError | None:
    """The domain's error for an exception of the SDK; None where it is not one."""
    meaning = meaning_of(error, table)
    if meaning is Meaning.STATUS:
        return refused(endpoint, _refusal(error))
    if meaning is Meaning.CAUSE and error.__cause__ is not None:
        return translate(endpoint, error.__cause__, table) or lost(endpoint, str(error))
    told = str(error) or type(error).__name__
    if meaning in (Meaning.LOST, Meaning.CAUSE):
        return lost(endpoint, f"{type(error).__name__}: {told}")
    if meaning is Meaning.UNREACHABLE:
        return unreachable(endpoint, f"{type(error).__name__}: {told}")
    if meaning is Meaning.ADDRESS:
        return misdirected(endpoint, told)
    if meaning is Meaning.SET_UP:
        return ProviderRefused(
            f"{endpoint.provider}: {told}", f"Check {endpoint.key_variable} and {endpoint.url_variable}."
        )
    if meaning is Meaning.POLICY:
        return refused(endpoint, Refusal(status=400, message=told, code="content_filter"))
    return None


def _refusal(error: BaseException) -> Refusal:
    response: Any = getattr(error, "response", None)
    text = str(error) if response is None else response.text
    headers = {} if response is None else {name.lower(): value for name, value in response.headers.items()}
    status = 400 if response is None else response.status_code
    try:
        body: object = json.loads(text)
    except ValueError:
        body = None
    message, code = told_error(body)
    return Refusal(status=status, message=message or text or str(error), code=code, headers=headers)


def told_error(body: object) -> tuple[str, str]:
    """Message and code of an error body, in any of the shapes that compatible servers have."""
    inner = body.get("error", body) if isinstance(body, dict) else body
    if isinstance(inner, str):
        return inner, ""
    if not isinstance(inner, dict):
        return "", ""
    message = inner.get("message") or inner.get("detail") or ""
    details = inner.get("details")
    detailed = details.get("error_code") if isinstance(details, dict) else None
    code = inner.get("code") or detailed or inner.get("type") or ""
    return message if isinstance(message, str) else json.dumps(message), str(code)
