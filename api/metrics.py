"""What Prometheus reads of the API. Labels are bounded: route templates, known methods, statuses."""

import time
from collections.abc import Sequence
from typing import get_args

from prometheus_client import CollectorRegistry, Counter, Gauge, Histogram, generate_latest
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from domain.account import TeamMonth
from domain.ports import RunCount
from domain.run import RunStatus

METHODS = frozenset(("GET", "HEAD", "POST", "PUT", "PATCH", "DELETE", "OPTIONS"))
SECONDS = (0.002, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 5.0)


class Metrics:
    def __init__(self) -> None:
        self._registry = CollectorRegistry()
        self._requests = Counter(
            "perdure_http_requests", "Requests answered", ("method", "route", "status"), registry=self._registry
        )
        self._seconds = Histogram(
            "perdure_http_request_seconds",
            "Time to the first byte of an answer",
            ("method", "route"),
            buckets=SECONDS,
            registry=self._registry,
        )
        self._streams = Gauge("perdure_http_open_requests", "Requests being answered", registry=self._registry)
        self._runs = Gauge("perdure_runs", "Runs by status", ("status",), registry=self._registry)
        self._cost = Gauge("perdure_cost_usd", "What all runs have cost so far", registry=self._registry)
        self._tokens = Gauge("perdure_tokens", "Tokens that all runs have used so far", registry=self._registry)
        self._month = Gauge(
            "perdure_month_cost_usd",
            "Of all teams in this month: spent, and reserved by the calls that are being made",
            ("of",),
            registry=self._registry,
        )
        self._calls = Gauge("perdure_reserved_calls", "Calls of models that are being made", registry=self._registry)

    def began(self) -> None:
        self._streams.inc()

    def ended(self) -> None:
        self._streams.dec()

    def answered(self, method: str, route: str, status: int, seconds: float) -> None:
        method = method if method in METHODS else "other"
        self._requests.labels(method, route, str(status)).inc()
        self._seconds.labels(method, route).observe(seconds)

    def page(self, counts: Sequence[RunCount], months: Sequence[TeamMonth]) -> bytes:
        for status in get_args(RunStatus):
            self._runs.labels(status).set(sum(one.runs for one in counts if one.status == status))
        self._cost.set(sum(one.cost_usd for one in counts))
        self._tokens.set(sum(one.tokens for one in counts))
        self._month.labels("spent").set(sum(one.spent.cost_usd for one in months))
        self._month.labels("reserved").set(sum(one.reserved.cost_usd for one in months))
        self._calls.set(sum(one.reserved.turns for one in months))
        return generate_latest(self._registry)


class Measured:
    """Counts and times each request under the template of its route."""

    def __init__(self, app: ASGIApp, metrics: Metrics) -> None:
        self._app = app
        self._metrics = metrics

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] != "http":
            await self._app(scope, receive, send)
            return
        began, answered = time.perf_counter(), False

        async def send_measured(message: Message) -> None:
            nonlocal answered
            if message["type"] == "http.response.start" and not answered:
                answered = True
                seconds = time.perf_counter() - began
                self._metrics.answered(scope["method"], _template(scope), message["status"], seconds)
            await send(message)

        self._metrics.began()
        try:
            await self._app(scope, receive, send_measured)
        finally:
            self._metrics.ended()


def _template(scope: Scope) -> str:
    """The route's own path; that of the router which includes it is not part of it."""
    path = getattr(scope.get("route"), "path", None)
    if path is None:
        return "unmatched"
    return f"/v1{path}" if scope["path"].startswith("/v1/") and not path.startswith("/v1/") else str(path)
