"""Every exception of GitHub's SDK becomes one of ours."""

import inspect
from datetime import timedelta

import httpx
import pytest
from githubkit import exception
from githubkit.exception import GitHubException, RequestError, RequestFailed
from githubkit.graphql import GraphQLResponse
from githubkit.response import Response

from adapters.forges.faults import FAULTS, Asking, fault
from domain.errors import PerdureError, RemoteUnavailable, RepositoryRefused

ASKING = Asking("opening", "GITHUB_TOKEN", "https://api.example.com")
REQUEST = httpx.Request("POST", "https://api.example.com/x")
CLASSES = [one for _, one in inspect.getmembers(exception, inspect.isclass) if issubclass(one, GitHubException)]
GRAPH = GraphQLResponse.model_validate({"data": None, "errors": [{"message": "Odd", "type": "FORBIDDEN"}]})


def response(status: int, body: object = None) -> Response[object]:
    return Response(httpx.Response(status, json=body, request=REQUEST), object)


def made(kind: type[GitHubException]) -> GitHubException:
    """One of the class, as githubkit makes it."""
    wanted = {
        exception.RequestTimeout: (httpx.ReadTimeout("slow", request=REQUEST),),
        exception.RequestError: (httpx.ConnectError("no", request=REQUEST),),
        exception.RequestFailed: (response(500),),
        exception.GraphQLFailed: (GRAPH,),
        exception.GraphQLPaginationError: (GRAPH,),
        exception.GraphQLMissingPageInfo: (GRAPH,),
        exception.GraphQLMissingCursorChange: (GRAPH,),
        exception.WebhookTypeNotFound: ("push",),
    }
    if issubclass(kind, exception.RateLimitExceeded):
        return kind(response(429), timedelta(seconds=3))
    return kind(*wanted.get(kind, ()))


@pytest.mark.parametrize("kind", CLASSES)
def test_each_class_of_the_sdk_is_mapped_by_itself(kind: type[GitHubException]) -> None:
    assert kind in FAULTS
    told = fault(made(kind), ASKING)
    assert type(told) in (RemoteUnavailable, RepositoryRefused)
    assert told.message.startswith("GitHub: opening failed")
    assert isinstance(told, RemoteUnavailable) or told.next_step
    first = next(known for known in FAULTS if issubclass(kind, known))
    assert first is kind, "a class stands behind its base"


@pytest.mark.parametrize(
    ("error", "kind"),
    [
        (httpx.ConnectError("refused"), RemoteUnavailable),
        (httpx.RemoteProtocolError("cut"), RemoteUnavailable),
        (httpx.ReadError(""), RemoteUnavailable),
        (OSError("no file handles"), RemoteUnavailable),
        (httpx.UnsupportedProtocol("ftp"), RepositoryRefused),
        (exception.AuthCredentialError("no key"), RepositoryRefused),
        (ValueError("not a PEM"), RepositoryRefused),
    ],
)
def test_what_the_sdk_wraps_is_looked_into(error: Exception, kind: type[PerdureError]) -> None:
    assert type(fault(RequestError(error), ASKING)) is kind


@pytest.mark.parametrize("status", [*range(400, 452), 500, 502, 503, 504, 529])
def test_every_status_ends_or_waits(status: int) -> None:
    told = fault(RequestFailed(response(status, {"message": "M", "errors": [{"field": "f", "code": "c"}]})), ASKING)
    assert "M; f c" in told.message
    assert isinstance(told, RemoteUnavailable) == (status >= 500 or status in (408, 409, 423, 425, 429))


@pytest.mark.parametrize(
    ("kind", "expected"),
    [("FORBIDDEN", RepositoryRefused), ("SERVICE_UNAVAILABLE", RemoteUnavailable), (None, RemoteUnavailable)],
)
def test_graphql_errors_are_told_apart_by_their_type(kind: str | None, expected: type[PerdureError]) -> None:
    answer = GraphQLResponse.model_validate({"data": None, "errors": [{"message": "Odd", "type": kind}]})
    assert type(fault(exception.GraphQLFailed(answer), ASKING)) is expected
