"""Who asks: bearer tokens, roles, and what each role may do."""

import hmac
from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from typing import Annotated, Literal, get_args
from uuid import UUID

from fastapi import Depends, Path, Request, Security
from fastapi.security import HTTPBearer
from starlette.types import ASGIApp, Receive, Scope, Send

from api.errors import show_perdure_error
from api.parts import ApiParts, Parts, parts_of
from domain.errors import Forbidden, InvalidRequest, NotFound, PerdureError, Unauthorized
from domain.run import RunSummary

Role = Literal["viewer", "submitter", "approver", "admin"]
Right = Literal["read", "submit", "decide"]
RIGHTS: dict[str, tuple[Right, ...]] = {
    "viewer": ("read",),
    "submitter": ("read", "submit"),
    "approver": ("read", "decide"),
    "admin": ("read", "submit", "decide"),
}
GUARDED = ("v1", "metrics")
CALLER = "perdure.caller"
TOKEN_MAX_CHARACTERS = 1000
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


class Door:
    """Lets nobody past to `GUARDED` paths without a token that is known, before a byte of the body is read.

    Takes `?token=` out of the query before anything can log it."""

    def __init__(self, app: ASGIApp) -> None:
        self._app = app

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] != "http":
            await self._app(scope, receive, send)
            return
        query_token = _take_query_token(scope)
        try:
            if scope["path"].lstrip("/").split("/", 1)[0] in GUARDED:
                scope[CALLER] = await _identify(Request(scope), query_token)
            if "\x00" in scope["path"] or b"%00" in scope["query_string"]:
                raise InvalidRequest("The address holds a NUL character", "Leave it out.")
        except PerdureError as error:
            response = await show_perdure_error(Request(scope), error)
            await response(scope, receive, send)
            return
        await self._app(scope, receive, send)


def _take_query_token(scope: Scope) -> str:
    query = bytes(scope["query_string"])
    if b"token=" not in query:
        return ""
    parts = query.split(b"&")
    tokens = [part[6:] for part in parts if part.startswith(b"token=")]
    # The server logs from this very mapping, so it is changed in place.
    scope["query_string"] = b"&".join(part for part in parts if not part.startswith(b"token="))
    return tokens[0].decode("ascii", "replace") if tokens else ""


async def _identify(request: Request, query_token: str) -> Caller:
    """By the header's token; an event stream may carry it in the query, as browsers cannot set headers there."""
    scheme, _, token = request.headers.get("authorization", "").partition(" ")
    if scheme.lower() != "bearer":
        streams = request.method == "GET" and "text/event-stream" in request.headers.get("accept", "")
        token = query_token if streams else ""
    if not token.strip():
        raise Unauthorized(
            "This needs a token",
            "Send the header `Authorization: Bearer <token>`; `perdure up` prints the token it made.",
        )
    caller = await _owner_of(parts_of(request), token.strip())
    if caller is None:
        raise Unauthorized("This token is not known here", "Use the token that `perdure up` printed last.")
    return caller


async def _owner_of(parts: ApiParts, token: str) -> Caller | None:
    operator = parts.settings.api_token
    if operator and hmac.compare_digest(operator.encode(), token.encode()):
        return Caller(owner="admin", role="admin")
    if "\x00" in token or len(token) > TOKEN_MAX_CHARACTERS:
        return None
    known = await parts.tokens.owner_of(token)
    return Caller(owner=known[0], role=known[1]) if known else None


async def caller_of(request: Request, _: Annotated[object, Security(BEARER)]) -> Caller:
    """Whom the door let in; the scheme is named for the OpenAPI document."""
    caller = request.scope.get(CALLER)
    if not isinstance(caller, Caller):
        raise Unauthorized("This needs a token", "Send the header `Authorization: Bearer <token>`.")
    return caller


def need(right: Right) -> Callable[[Caller], Awaitable[Caller]]:
    async def allowed(caller: Annotated[Caller, Depends(caller_of)]) -> Caller:
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
