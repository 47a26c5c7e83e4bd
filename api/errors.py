"""Domain errors, and all that HTTP itself refuses, as problems (RFC 9457). The one place where that is decided."""

import json
import logging
import math
from collections.abc import Mapping, Sequence
from http import HTTPStatus
from typing import Any

from fastapi import FastAPI, Request
from fastapi.exceptions import RequestValidationError
from fastapi.responses import Response
from pydantic import BaseModel, Field
from starlette.exceptions import HTTPException
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from api.parts import ApiParts
from domain.errors import (
    CallerError,
    Conflict,
    Forbidden,
    InvalidRequest,
    NotFound,
    PerdureError,
    RunStopped,
    TooLarge,
    Unauthorized,
    WorldError,
)
from domain.secrets import Mask

LOG = logging.getLogger("perdure.api")
MEDIA_TYPE = "application/problem+json"
BODY_MAX_BYTES = 1_000_000
RETRY_AFTER_SECONDS = 5
STATUSES: dict[type[PerdureError], int] = {
    InvalidRequest: 422,
    Unauthorized: 401,
    Forbidden: 403,
    NotFound: 404,
    Conflict: 409,
    TooLarge: 413,
    CallerError: 400,
    RunStopped: 422,
    WorldError: 503,
}
NEXT_STEPS = {
    404: "`GET /openapi.json` and /docs list what there is.",
    405: "The header `Allow` names the methods that this path takes.",
    413: f"A request may have {BODY_MAX_BYTES:,} bytes. Put long material into the repository and name it in the task.",
}


class FieldProblem(BaseModel):
    field: str = Field(examples=["limits.turns"])
    message: str = Field(examples=["Input should be greater than or equal to 1"])


class Problem(BaseModel):
    """What went wrong and what to do about it (RFC 9457)."""

    type: str = Field(description="Stable name of the kind of problem", examples=["urn:perdure:problem:conflict"])
    title: str = Field(examples=["Conflict"])
    status: int = Field(examples=[409])
    detail: str = Field(examples=["The run is completed; there is nothing to pause."])
    next_step: str = Field(default="", examples=["Start a new run."])
    instance: str = Field(default="", description="The path that was asked for", examples=["/v1/runs"])
    errors: list[FieldProblem] = Field(default=[], description="One entry per field that was refused")


def problem(
    request: Request,
    status: int,
    detail: str,
    next_step: str = "",
    headers: Mapping[str, str] | None = None,
    errors: Sequence[FieldProblem] = (),
) -> Response:
    phrase = HTTPStatus(status).phrase
    body = Problem(
        type="urn:perdure:problem:" + phrase.lower().replace(" ", "-"),
        title=phrase,
        status=status,
        detail=_printable(_mask(request).text(detail)),
        next_step=_printable(next_step or NEXT_STEPS.get(status, "")),
        instance=_printable(request.url.path),
        errors=list(errors),
    )
    content = body.model_dump_json(exclude={"errors"} if not errors else None)
    return Response(content, status, dict(headers or {}), MEDIA_TYPE)


async def show_perdure_error(request: Request, error: Exception) -> Response:
    assert isinstance(error, PerdureError)
    status = next((code for kind, code in STATUSES.items() if isinstance(error, kind)), 500)
    if status == 500:
        return await show_defect(request, error)
    headers: dict[str, str] = {}
    if isinstance(error, WorldError):
        LOG.warning("%s %s: %s", request.method, request.url.path, error.message)
        headers["Retry-After"] = str(math.ceil(error.retry_after_seconds or RETRY_AFTER_SECONDS))
    if isinstance(error, Unauthorized):
        headers["WWW-Authenticate"] = "Bearer"
    return problem(request, status, error.message, error.next_step, headers)


async def show_refused_fields(request: Request, error: Exception) -> Response:
    assert isinstance(error, RequestValidationError)
    found = [_field(one) for one in error.errors()]
    names = ", ".join(dict.fromkeys(one.field for one in found))
    return problem(
        request,
        422,
        f"The request cannot be used as it is: {names}",
        "Mend each field that `errors` names; /docs shows what each may be.",
        errors=found,
    )


async def show_http_refusal(request: Request, error: Exception) -> Response:
    assert isinstance(error, HTTPException)
    detail = str(error.detail)
    if error.status_code == 404 and detail == HTTPStatus.NOT_FOUND.phrase:
        detail = f"There is nothing at {request.url.path}"
    elif error.status_code == 405:
        detail = f"{request.url.path} does not take {request.method}"
    elif error.status_code == 413:
        detail = "The request's body is too large"
    return problem(request, error.status_code, detail, headers=error.headers)


async def show_defect(request: Request, error: Exception) -> Response:
    """Says nothing of the inside; the server's log has the traceback."""
    if isinstance(error, PerdureError):
        LOG.error("%s %s", request.method, request.url.path, exc_info=error)
    return problem(
        request, 500, "Something in Perdure is broken; its log says what.", "Report it with the time of the request."
    )


class BodyCap:
    """Refuses a body that is too large by its announced length, else as soon as it has grown too large."""

    def __init__(self, app: ASGIApp) -> None:
        self._app = app

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] != "http":
            await self._app(scope, receive, send)
            return
        announced = dict(scope["headers"]).get(b"content-length", b"0")
        if announced.isdigit() and int(announced) > BODY_MAX_BYTES:
            response = await show_http_refusal(Request(scope), HTTPException(413))
            await response(scope, receive, send)
            return
        read = 0

        async def receive_capped() -> Message:
            nonlocal read
            message = await receive()
            read += len(message.get("body", b""))
            if read > BODY_MAX_BYTES:
                raise HTTPException(413)
            return message

        await self._app(scope, receive_capped, send)


def install(app: FastAPI) -> None:
    app.add_exception_handler(PerdureError, show_perdure_error)
    app.add_exception_handler(RequestValidationError, show_refused_fields)
    app.add_exception_handler(HTTPException, show_http_refusal)
    app.add_exception_handler(Exception, show_defect)


def _mask(request: Request) -> Mask:
    """That of the stack, once its parts are there: a driver's or a server's words may repeat what it was given."""
    parts: object = getattr(request.app.state, "parts", None)
    return parts.mask if isinstance(parts, ApiParts) else Mask()


def _field(one: Mapping[str, Any]) -> FieldProblem:
    place = [str(part) for part in one["loc"] if part not in ("body", "query", "path", "header")]
    if one["type"] == "json_invalid":
        return FieldProblem(field="body", message=f"This is not JSON: {_printable(str(one['ctx']['error']))}")
    if not place and one["type"] in ("model_attributes_type", "missing"):
        return FieldProblem(field="body", message="Send a JSON object, with `Content-Type: application/json`")
    return FieldProblem(field=_printable(".".join(place) or "body"), message=_printable(str(one["msg"])))


def _printable(text: str) -> str:
    """JSON cannot carry half a surrogate pair; what a caller sent may hold one."""
    return json.dumps(text)[1:-1] if any("\ud800" <= c <= "\udfff" for c in text) else text
