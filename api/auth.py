"""Who asks: bearer tokens, roles, and what each role may do."""

import hmac
from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from typing import Annotated, Literal, get_args
from uuid import UUID

from fastapi import Depends, Path, Request, Security
from fastapi.security import HTTPAuthorizationCredentials, HTTPBearer
from starlette.types import ASGIApp, Receive, Scope, Send

from api.parts import ApiParts, Parts
from domain.errors import Forbidden, NotFound, Unauthorized
from domain.run import RunSummary

Role = Literal["viewer", "submitter", "approver", "admin"]
Right = Literal["read", "submit", "decide"]
RIGHTS: dict[str, tuple[Right, ...]] = {
    "viewer": ("read",),
    "submitter": ("read", "submit"),
    "approver": ("read", "decide"),
    "admin": ("read", "submit", "decide"),
}
QUERY_TOKEN = "perdure.token"  # noqa: S105 - the name of a place, not a token
BEARER = HTTPBearer(auto_error=False, description="A token made by `perdure up`, or by an admin.")


@dataclass(frozen=True)
class Caller:
    """Submitters see and steer what they own; viewers, approvers and admins see every run."""

    owner: str
    role: str

    def may(self, right: Right) -> bool:
        return right in RIGHTS.get(self.role, ())

    def sees(self, owner: str) -> bool:
        return self.role != "submitter" or owner == self.owner

    def steers(self, owner: str) -> bool:
        return self.role == "admin" or (self.role == "submitter" and owner == self.owner)


class QueryToken:
    """Takes `?token=` out of the query before anything can log it, and keeps it for `identify`."""

    def __init__(self, app: ASGIApp) -> None:
        self._app = app

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        query = bytes(scope.get("query_string", b""))
        if scope["type"] == "http" and b"token=" in query:
            parts = query.split(b"&")
            tokens = [part[6:] for part in parts if part.startswith(b"token=")]
            # The server logs from this very mapping, so it is changed in place.
            scope["query_string"] = b"&".join(part for part in parts if not part.startswith(b"token="))
            scope[QUERY_TOKEN] = tokens[0].decode("ascii", "replace") if tokens else ""
        await self._app(scope, receive, send)


async def identify(
    request: Request, parts: Parts, given: Annotated[HTTPAuthorizationCredentials | None, Security(BEARER)]
) -> Caller:
    """The caller by the header's token; an event stream may carry it in the query, as browsers cannot set headers."""
    token = given.credentials if given else ""
    if not token and request.method == "GET" and "text/event-stream" in request.headers.get("accept", ""):
        token = str(request.scope.get(QUERY_TOKEN, ""))
    if not token:
        raise Unauthorized(
            "This needs a token",
            "Send the header `Authorization: Bearer <token>`; `perdure up` prints the token it made.",
        )
    caller = await _owner_of(parts, token)
    if caller is None:
        raise Unauthorized("This token is not known here", "Use the token that `perdure up` printed last.")
    return caller


async def _owner_of(parts: ApiParts, token: str) -> Caller | None:
    operator = parts.settings.api_token
    if operator and hmac.compare_digest(operator.encode(), token.encode()):
        return Caller(owner="admin", role="admin")
    known = await parts.tokens.owner_of(token)
    return Caller(owner=known[0], role=known[1]) if known else None


def need(right: Right) -> Callable[[Caller], Awaitable[Caller]]:
    async def allowed(caller: Annotated[Caller, Depends(identify)]) -> Caller:
        if not caller.may(right):
            able = ", ".join(role for role in get_args(Role) if right in RIGHTS[role])
            raise Forbidden(f"The role {caller.role} may not {right}", f"Ask somebody with one of the roles {able}.")
        return caller

    return allowed


Reader = Annotated[Caller, Depends(need("read"))]
Submitter = Annotated[Caller, Depends(need("submit"))]


async def readable_run(
    run_id: Annotated[str, Path(description="Id of the run", examples=["019a3f6e-7c1f-7d00-8000-2b1c5c9f0a11"])],
    parts: Parts,
    caller: Reader,
) -> RunSummary:
    """The run, for whom may see it; for others it does not exist."""
    try:
        summary = await parts.journal.summary(str(UUID(run_id)))
    except ValueError:
        raise no_run(run_id) from None
    if not caller.sees(summary.owner):
        raise no_run(run_id)
    return summary


async def steerable_run(
    summary: Annotated[RunSummary, Depends(readable_run)],
    caller: Submitter,
) -> RunSummary:
    if not caller.steers(summary.owner):
        raise Forbidden("This run belongs to somebody else", "Its owner or an admin can do this.")
    return summary


def no_run(run_id: str) -> NotFound:
    return NotFound(f"There is no run {run_id[:80]}", "`GET /v1/runs` lists the runs that you can see.")


ReadableRun = Annotated[RunSummary, Depends(readable_run)]
SteerableRun = Annotated[RunSummary, Depends(steerable_run)]
