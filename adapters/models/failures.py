"""What a provider refused or failed to answer, as one of our errors."""

import re
from collections.abc import Mapping
from datetime import UTC, datetime
from email.utils import parsedate_to_datetime

from adapters.models.endpoint import Endpoint
from domain.errors import (
    ContextTooLong,
    KeyRefused,
    PerdureError,
    ProviderBusy,
    ProviderRefused,
    ProviderUnavailable,
    ProviderUnreachable,
    ProviderUnreadable,
    QuotaUsedUp,
)
from domain.value import Value

CONTEXT_CODES = frozenset(
    {"context_length_exceeded", "exceed_context_size_error", "request_too_large", "string_above_max_length"}
)
CONTEXT_WORDS = re.compile(
    r"maximum context length|context (?:window|length|size|limit)|prompt is too long|maximum model length"
    r"|too many (?:input )?tokens|input token count|input is too long|reduce the length of the (?:messages|input)",
    re.IGNORECASE,
)
QUOTA_CODES = frozenset({"insufficient_quota", "billing_hard_limit_reached", "billing_error", "billing_not_active"})
BUSY = frozenset({429, 503, 529})
BUSY_CODES = frozenset({"rate_limit_exceeded", "rate_limit_error", "overloaded_error", "server_is_overloaded"})
KEY_CODES = frozenset({"invalid_api_key", "authentication_error", "account_deactivated"})
QUOTA_WORDS = re.compile(
    r"credit balance is too low|exceeded your current quota|insufficient (?:credits?|balance|funds)", re.IGNORECASE
)
POLICY_CODES = frozenset({"content_policy_violation", "content_filter", "moderation_blocked"})
RETRIED_BELOW_500 = frozenset({408, 409, 421, 423, 425, 429, 499})
STOPPED_FROM_500 = frozenset({501, 505})
LONGEST_MESSAGE = 800
SHORTEST_KEY = 12
"""Shorter ones are words such as `none`, which local servers are given."""


class Refusal(Value):
    """An error as a provider tells it, in a status or in the middle of a stream."""

    status: int
    message: str
    code: str = ""
    """Its machine-readable kind: `code` or `type` of the body."""
    headers: Mapping[str, str] = {}


def refused(endpoint: Endpoint, refusal: Refusal) -> PerdureError:
    """The one mapping of statuses and codes; `x-should-retry` goes before the status."""
    told = f"{endpoint.provider} answered {refusal.status}: {_said(endpoint, refusal.message)}"
    if _is_context(refusal):
        return ContextTooLong(told, "Compact the conversation, or use a model with a larger window.")
    if refusal.code in QUOTA_CODES or refusal.status == 402 or QUOTA_WORDS.search(refusal.message):
        remedy = f"The account behind {endpoint.key_variable} has no credit left: check its plan. Runs wait for it."
        return QuotaUsedUp(told, remedy, retry_after_seconds=retry_after_seconds(refusal.headers))
    if _is_retried(refusal):
        busy = refusal.status in BUSY or refusal.code in BUSY_CODES
        kind = ProviderBusy if busy else ProviderUnavailable
        return kind(told, retry_after_seconds=retry_after_seconds(refusal.headers))
    if refusal.status in (401, 403) or refusal.code in KEY_CODES:
        key_refused = KeyRefused(told, _remedy(endpoint, refusal))
        key_refused.for_every_model = refusal.status != 403
        return key_refused
    error = ProviderRefused(told, _remedy(endpoint, refusal))
    error.elsewhere = refusal.code not in POLICY_CODES
    return error


def unreachable(endpoint: Endpoint, what: str) -> ProviderUnreachable:
    """No connection could be made."""
    return ProviderUnreachable(f"{endpoint.provider} at {endpoint.base_url}: {_said(endpoint, what)}")


def lost(endpoint: Endpoint, what: str) -> ProviderUnavailable:
    """The connection ended before the answer did."""
    return ProviderUnavailable(f"{endpoint.provider} at {endpoint.base_url}: {_said(endpoint, what)}")


def unreadable(endpoint: Endpoint, what: str) -> ProviderUnreadable:
    """An answer came, and is none."""
    told = f"{endpoint.provider} at {endpoint.base_url}: {_said(endpoint, what)}"
    return ProviderUnreadable(told, f"Check {endpoint.url_variable} if it is set, or use another model.")


def misdirected(endpoint: Endpoint, what: str) -> ProviderRefused:
    """What answers there is no server of this kind."""
    told = f"{endpoint.provider} at {endpoint.base_url}: {_said(endpoint, what)}"
    return ProviderRefused(told, f"Check {endpoint.url_variable}.")


def retry_after_seconds(headers: Mapping[str, str]) -> float | None:
    """Of `retry-after-ms` and `retry-after`, as seconds or as a date; None where absent or unreadable."""
    milliseconds = _number(headers.get("retry-after-ms"))
    if milliseconds is not None:
        return max(milliseconds / 1000, 0.0)
    value = headers.get("retry-after")
    seconds = _number(value)
    if seconds is not None or value is None:
        return None if seconds is None else max(seconds, 0.0)
    try:
        moment = parsedate_to_datetime(value)
    except ValueError:
        return None
    if moment.tzinfo is None:
        moment = moment.replace(tzinfo=UTC)
    return max((moment - datetime.now(UTC)).total_seconds(), 0.0)


def _number(value: str | None) -> float | None:
    try:
        number = float(value or "")
    except ValueError:
        return None
    return number if number < float("inf") else None


def _is_context(refusal: Refusal) -> bool:
    if refusal.status == 413 or refusal.code in CONTEXT_CODES:
        return True
    return refusal.status in (400, 422, 500) and bool(CONTEXT_WORDS.search(refusal.message))


def _is_retried(refusal: Refusal) -> bool:
    asked = refusal.headers.get("x-should-retry", "").lower()
    if asked in ("true", "false"):
        return asked == "true"
    if refusal.status >= 500:
        return refusal.status not in STOPPED_FROM_500
    return refusal.status in RETRIED_BELOW_500


def _remedy(endpoint: Endpoint, refusal: Refusal) -> str:
    if refusal.code in POLICY_CODES:
        return "The provider's content policy stopped this request: change the task, or use another model."
    if refusal.status == 401 or (refusal.code in KEY_CODES and refusal.status != 403):
        return f"Check {endpoint.key_variable}: the key is wrong or was withdrawn."
    if refusal.status == 403:
        return f"The key in {endpoint.key_variable} may not use this model or this endpoint."
    if refusal.status == 404:
        return f"Check the model's name, and {endpoint.url_variable} if it is set."
    if refusal.status < 400:
        return f"Check {endpoint.url_variable}: the address answers with a redirect."
    return "The request itself was refused: another model or provider may take it."


def _said(endpoint: Endpoint, message: str) -> str:
    """Providers repeat keys in their messages; ours is cut out, and a page of HTML is cut short."""
    key = endpoint.key.get_secret_value()
    clean = message.replace(key, "[key]") if len(key) >= SHORTEST_KEY else message
    clean = " ".join(clean.split())
    return clean if len(clean) <= LONGEST_MESSAGE else clean[:LONGEST_MESSAGE] + " ..."
