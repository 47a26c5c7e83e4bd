"""What GitHub refused or failed to answer, as one of our errors: githubkit -> domain, once."""

import json
import re
from collections.abc import Callable
from json import JSONDecodeError
from typing import Any

import httpx
from githubkit.exception import (
    AuthCredentialError,
    AuthExpiredError,
    CacheUnsupportedError,
    GitHubException,
    GraphQLError,
    GraphQLFailed,
    GraphQLMissingCursorChange,
    GraphQLMissingPageInfo,
    GraphQLPaginationError,
    PrimaryRateLimitExceeded,
    RateLimitExceeded,
    RequestError,
    RequestFailed,
    RequestTimeout,
    SecondaryRateLimitExceeded,
    WebhookTypeNotFound,
)

from domain.errors import PerdureError, RemoteUnavailable, RepositoryRefused

SHOWN = 600
RETRIED_BELOW_500 = frozenset({408, 409, 423, 425, 429})
RATE_LIMIT = re.compile(r"rate limit|abuse detection", re.IGNORECASE)
RATE_LIMIT_SECONDS = 60.0
"""What GitHub asks for where it names no time."""
PASSING = frozenset({"SERVICE_UNAVAILABLE", "INTERNAL", "INTERNAL_ERROR", "TIMEOUT", "LOADING"})
"""Kinds of GraphQL errors that another attempt may not meet."""


class Asking:
    """Who is asked for what, and what the operator checks where it is refused."""

    def __init__(self, doing: str, login: str, api_url: str) -> None:
        self.doing = doing
        self.login = login
        """The variable that the login comes from."""
        self.api_url = api_url

    def failed(self, said: str) -> str:
        return f"GitHub: {self.doing} failed: {said}"


def fault(error: GitHubException, asking: Asking) -> PerdureError:
    """The most specific class decides: those stand first."""
    made = next(made for kind, made in FAULTS.items() if isinstance(error, kind))
    return made(error, asking)


def unreadable(asking: Asking, what: str) -> PerdureError:
    """It answered, and not as GitHub does."""
    return RemoteUnavailable(asking.failed(f"its answer cannot be read ({what[:200]})"), _check_address(asking))


def moved(asking: Asking, to: str) -> PerdureError:
    return RepositoryRefused(asking.failed("it has moved, and tokens are not taken along"), f"Give its address: {to}")


def said_by(error: RequestFailed) -> str:
    """GitHub's own words: the message, and what it says of each field."""
    try:
        body: Any = error.response.json()
    except (JSONDecodeError, UnicodeDecodeError):
        body = error.response.text
    if not isinstance(body, dict):
        return " ".join(str(body).split())[:SHOWN]
    words = [str(body.get("message", ""))]
    errors = body.get("errors") or []
    for one in errors if isinstance(errors, list) else [errors]:
        words.append(_field(one))
    return " ".join("; ".join(word for word in words if word).split())[:SHOWN]


def _field(error: object) -> str:
    if not isinstance(error, dict):
        return str(error)
    named = " ".join(str(error[key]) for key in ("resource", "field", "code") if error.get(key))
    return str(error.get("message") or named or json.dumps(error))


def _refused(error: GitHubException, asking: Asking) -> PerdureError:
    """By status."""
    assert isinstance(error, RequestFailed)
    status, said = error.response.status_code, said_by(error)
    told = asking.failed(f"{status} {said}".strip())
    if status >= 500 or status in RETRIED_BELOW_500:
        return RemoteUnavailable(told)
    if status == 403 and RATE_LIMIT.search(said):
        return RemoteUnavailable(told, retry_after_seconds=RATE_LIMIT_SECONDS)
    return RepositoryRefused(told, _remedy(status, asking))


def _remedy(status: int, asking: Asking) -> str:
    if status == 401:
        return f"Check {asking.login}: it is wrong, has expired or was withdrawn."
    if status == 403:
        return (
            f"Let {asking.login} read and write the repository's contents and pull requests; where the organisation "
            "asks for single sign-on, authorise it there."
        )
    if status == 404:
        return (
            f"Check the repository's address, and that {asking.login} may see it (an App must be installed there); "
            "for an Enterprise server set GITHUB_API_URL."
        )
    if status == 410:
        return "The repository has this turned off: turn it on there, or publish a branch."
    if status == 422:
        return "Change what GitHub names, then start a run with it; the branch stands as it was pushed."
    return _check_address(asking)


def _check_address(asking: Asking) -> str:
    return f"Check GITHUB_API_URL, which is {asking.api_url}."


def _limited(error: GitHubException, asking: Asking) -> PerdureError:
    assert isinstance(error, RateLimitExceeded)
    seconds = error.retry_after.total_seconds()
    told = asking.failed(f"its rate limit is used up for {seconds:.0f} s")
    return RemoteUnavailable(told, retry_after_seconds=seconds)


def _lost(error: GitHubException, asking: Asking) -> PerdureError:
    """A request that got no answer; githubkit wraps what goes wrong before it is sent as well."""
    assert isinstance(error, RequestError)
    cause = error.exc
    if isinstance(cause, GitHubException):
        return fault(cause, asking)
    if isinstance(cause, httpx.UnsupportedProtocol | httpx.InvalidURL | httpx.LocalProtocolError):
        return RepositoryRefused(asking.failed(_words(cause)), _check_address(asking))
    if isinstance(cause, httpx.HTTPError | OSError):
        return RemoteUnavailable(asking.failed(_words(cause)))
    return RepositoryRefused(asking.failed(_words(cause)), f"Check {asking.login}.")


def _login(error: GitHubException, asking: Asking) -> PerdureError:
    return RepositoryRefused(asking.failed(str(error) or "there is no login"), f"Check {asking.login}.")


def _graph(error: GitHubException, asking: Asking) -> PerdureError:
    assert isinstance(error, GraphQLFailed)
    errors = error.response.errors or []
    told = asking.failed("; ".join(one.message for one in errors)[:SHOWN])
    # An error without a type is one of GitHub's own making.
    if any(not one.type or one.type in PASSING for one in errors):
        return RemoteUnavailable(told)
    return RepositoryRefused(told, _remedy(403, asking))


def _defect(error: GitHubException, asking: Asking) -> PerdureError:
    told = asking.failed(f"{type(error).__name__} {error}".strip()[:SHOWN])
    return RepositoryRefused(told, "This is a defect of Perdure; the worker's log has more.")


def _words(error: BaseException) -> str:
    return f"{type(error).__name__} {error}".strip()[:SHOWN]


FAULTS: dict[type[BaseException], Callable[[GitHubException, Asking], PerdureError]] = {
    RequestTimeout: _lost,
    PrimaryRateLimitExceeded: _limited,
    SecondaryRateLimitExceeded: _limited,
    RateLimitExceeded: _limited,
    RequestFailed: _refused,
    RequestError: _lost,
    AuthCredentialError: _login,
    AuthExpiredError: _login,
    GraphQLFailed: _graph,
    GraphQLMissingPageInfo: _defect,
    GraphQLMissingCursorChange: _defect,
    GraphQLPaginationError: _defect,
    GraphQLError: _defect,
    CacheUnsupportedError: _defect,
    WebhookTypeNotFound: _defect,
    GitHubException: _defect,
}
