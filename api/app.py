"""The HTTP API. `create_app` joins it from any parts; `app` takes the real ones, for `uvicorn api.app:app`."""

import asyncio
import contextlib
from collections.abc import AsyncGenerator, Callable
from contextlib import AbstractAsyncContextManager
from importlib.metadata import PackageNotFoundError, version

from fastapi import APIRouter, FastAPI
from fastapi_offline import FastAPIOffline
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from api import errors, openapi
from api.auth import Door
from api.joined import joined_parts
from api.metrics import Measured, Metrics
from api.parts import PartsFactory
from api.retention import Retention
from api.routes import (
    agents,
    approvals,
    commands,
    conversation,
    deletion,
    diff,
    events,
    files,
    forks,
    health,
    limits,
    models,
    page,
    runs,
    snapshots,
    stats,
    tools,
    usage,
)
from api.stopping import set_on_stop
from api.sweeper import Sweeper

NOUNS = (
    runs,
    commands,
    forks,
    deletion,
    events,
    approvals,
    conversation,
    diff,
    files,
    snapshots,
    usage,
    limits,
    agents,
    models,
    tools,
    stats,
)
HEADERS = (
    (b"referrer-policy", b"no-referrer"),
    (b"x-content-type-options", b"nosniff"),
)


def create_app(parts_factory: PartsFactory) -> FastAPI:
    """`parts_factory` is entered when the server starts and left when it stops."""
    app = FastAPIOffline(
        title=openapi.TITLE,
        version=_version(),
        lifespan=_lifespan(parts_factory),
        redirect_slashes=False,
    )
    app.state.metrics = Metrics()
    versioned = APIRouter(prefix="/v1", responses=openapi.problems(*openapi.ALWAYS))
    for noun in NOUNS:
        versioned.include_router(noun.router)
    app.include_router(versioned)
    app.include_router(health.router)
    app.include_router(page.router)
    errors.install(app)
    openapi.describe(app)
    # The last one added is the outermost.
    app.add_middleware(errors.BodyCap)
    app.add_middleware(Door)
    app.add_middleware(Measured, metrics=app.state.metrics)
    app.add_middleware(SafeHeaders)
    return app


class SafeHeaders:
    """On every answer: no token leaks by a referrer, and nothing is taken for what it does not say it is."""

    def __init__(self, app: ASGIApp) -> None:
        self._app = app

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        async def send_safely(message: Message) -> None:
            if message["type"] == "http.response.start":
                message["headers"] = [*message.get("headers", ()), *HEADERS]
                if scope["path"].startswith("/v1/"):
                    message["headers"].append((b"cache-control", b"no-store"))
            await send(message)

        await self._app(scope, receive, send_safely)


def _lifespan(parts_factory: PartsFactory) -> Callable[[FastAPI], AbstractAsyncContextManager[None]]:
    @contextlib.asynccontextmanager
    async def lifespan(app: FastAPI) -> AsyncGenerator[None]:
        app.state.stopping = asyncio.Event()
        async with parts_factory() as parts:
            app.state.parts = parts
            sweeping = [asyncio.create_task(one.run()) for one in (Sweeper(parts), Retention(parts))]
            try:
                with set_on_stop(app.state.stopping):
                    yield
            finally:
                for task in sweeping:
                    task.cancel()
                await asyncio.gather(*sweeping, return_exceptions=True)

    return lifespan


def _version() -> str:
    try:
        return version("perdure")
    except PackageNotFoundError:
        return "0.1.0"


app = create_app(joined_parts)
