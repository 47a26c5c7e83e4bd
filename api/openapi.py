"""The OpenAPI document: problems, examples and what holds for every route."""

from collections.abc import Iterator
from http import HTTPStatus
from typing import Any

from fastapi import FastAPI
from fastapi.openapi.utils import get_openapi

from api.errors import MEDIA_TYPE, Problem

TITLE = "Perdure"
SUMMARY = "Coding agents as durable jobs"
DESCRIPTION = """\
Send a task, follow the run, decide what it asks, take the branch.

* Every call carries `Authorization: Bearer <token>`; only `/healthz`, `/readyz` and these pages need none.
* Errors are problems (RFC 9457): `detail` says what was wrong, `next_step` what to do about it.
* Lists are paged: send `next_cursor` as `cursor`.
* A run that was accepted is there at once, also while no worker is up.
"""
WHEN = {
    400: "The request cannot be read",
    401: "The token is missing or not known",
    403: "The token's role may not do this",
    404: "There is no such thing, or not for this token",
    409: "It makes no sense now; `detail` says why",
    413: "The body is larger than a request may be",
    422: "Something in the request cannot be used; `errors` names the fields",
    500: "A defect; the server's log says what",
    503: "Postgres, Temporal or the blob store cannot be reached; try again after `Retry-After` seconds",
}
ALWAYS = (401, 403, 422, 500, 503)


def problems(*statuses: int) -> dict[int | str, dict[str, Any]]:
    """The `responses` of a route that can refuse with these statuses."""
    return {status: {"description": WHEN[status], "content": {MEDIA_TYPE: _example(status)}} for status in statuses}


def example(content: Any, media_type: str = "application/json") -> dict[str, Any]:
    """The example of a good answer."""
    return {"content": {media_type: {"example": content}}}


def describe(app: FastAPI) -> None:
    """Makes the document once, when it is first asked for."""

    def document() -> dict[str, Any]:
        if app.openapi_schema is None:
            app.openapi_schema = _document(app)
        return app.openapi_schema

    # FastAPI's own way of replacing the document is to replace the method.
    app.openapi = document


def _document(app: FastAPI) -> dict[str, Any]:
    found = get_openapi(
        title=TITLE,
        version=app.version,
        summary=SUMMARY,
        description=DESCRIPTION,
        routes=app.routes,
        license_info={"name": "Apache-2.0", "identifier": "Apache-2.0"},
    )
    schemas = found["components"]["schemas"]
    ours = Problem.model_json_schema(ref_template="#/components/schemas/{model}")
    schemas.update(ours.pop("$defs", {}))
    schemas["Problem"] = ours
    for unused in ("HTTPValidationError", "ValidationError"):
        schemas.pop(unused, None)
    for operation in _operations(found):
        operation["responses"] = dict(sorted(operation["responses"].items()))
    return found


def _operations(document: dict[str, Any]) -> Iterator[dict[str, Any]]:
    for path in document["paths"].values():
        yield from path.values()


def _example(status: int) -> dict[str, Any]:
    phrase = HTTPStatus(status).phrase
    shown = {
        "type": "urn:perdure:problem:" + phrase.lower().replace(" ", "-"),
        "title": phrase,
        "status": status,
        "detail": WHEN[status],
        "next_step": "What to do about it",
        "instance": "/v1/runs",
    }
    return {"schema": {"$ref": "#/components/schemas/Problem"}, "example": shown}
