"""Alive, ready, measured."""

import asyncio
from collections.abc import Awaitable, Callable
from datetime import UTC, datetime

from fastapi import APIRouter, Request, Response
from prometheus_client import CONTENT_TYPE_LATEST

from api.auth import Reader
from api.metrics import Metrics
from api.openapi import problems
from api.parts import ApiParts, Parts
from api.schemas.catalogue import DependencyView, HealthView, ReadinessView
from domain.account import month_of
from domain.errors import PerdureError

router = APIRouter(tags=["operation"])
CHECK_SECONDS = 4.0
EXAMPLE = 'perdure_runs{status="running"} 3.0\n'
UNKNOWN_BLOB = "0" * 64


@router.get("/healthz", response_model=HealthView)
async def read_health() -> HealthView:
    """Says that this process answers, and nothing more."""
    return HealthView()


@router.get(
    "/readyz",
    response_model=ReadinessView,
    responses={503: {"model": ReadinessView, "description": "Something that is required does not answer"}},
)
async def read_readiness(parts: Parts, response: Response) -> ReadinessView:
    """Each dependency by name. Without a worker runs are taken in and wait: `degraded`."""
    probes = {"postgres": parts.journal.check, "temporal": parts.runs.check, "blobs": lambda: _blobs(parts)}
    found = await asyncio.gather(*(_checked(probe, True) for probe in probes.values()), _worker(parts))
    checks = dict(zip((*probes, "worker"), found, strict=True))
    if any(one.required and not one.ok for one in found):
        response.status_code = 503
        return ReadinessView(status="unready", checks=checks)
    return ReadinessView(status="ready" if all(one.ok for one in found) else "degraded", checks=checks)


@router.get(
    "/metrics",
    response_class=Response,
    responses={
        200: {"content": {"text/plain": {"example": 'perdure_runs{status="running"} 3.0\n'}}},
        **problems(401, 503),
    },
)
async def read_metrics(request: Request, parts: Parts, _: Reader) -> Response:
    """For Prometheus, which sends the token as `authorization` in its scrape configuration."""
    metrics = request.app.state.metrics
    assert isinstance(metrics, Metrics)
    months = await parts.journal.months(month_of(datetime.now(UTC)))
    return Response(metrics.page(await parts.journal.run_counts(), months), media_type=CONTENT_TYPE_LATEST)


async def _blobs(parts: ApiParts) -> None:
    await parts.blobs.has(UNKNOWN_BLOB)


async def _worker(parts: ApiParts) -> DependencyView:
    try:
        async with asyncio.timeout(CHECK_SECONDS):
            workers = await parts.runs.workers()
    except (PerdureError, TimeoutError):
        return DependencyView(ok=False, required=False, detail="not known: Temporal does not answer")
    if not workers:
        return DependencyView(
            ok=False,
            required=False,
            detail="no worker of a version that serves asks for work",
            next_step="Start `python worker.py`; `perdure deploy` shows the versions.",
        )
    return DependencyView(ok=True, required=False, detail=f"{len(set(workers))} serve the task queue")


async def _checked(probe: Callable[[], Awaitable[None]], required: bool) -> DependencyView:
    try:
        async with asyncio.timeout(CHECK_SECONDS):
            await probe()
    except PerdureError as error:
        return DependencyView(ok=False, required=required, detail="does not answer", next_step=error.next_step)
    except TimeoutError:
        return DependencyView(ok=False, required=required, detail=f"no answer within {CHECK_SECONDS:g} s")
    return DependencyView(ok=True, required=required, detail="answers")
