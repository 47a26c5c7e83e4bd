"""The HTTP face of the scripted model."""

import asyncio
import json
from collections.abc import AsyncIterator, Callable, Iterator
from typing import Any, Protocol

from pydantic import ValidationError
from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import JSONResponse, Response, StreamingResponse
from starlette.routing import Route

from adapters.models.scripted import anthropic_wire, openai_wire
from adapters.models.scripted.counts import Counter
from adapters.models.scripted.faults import Fault, FaultPlan
from adapters.models.scripted.question import Question, WireProblem, object_field
from adapters.models.scripted.script import ScriptShelf
from adapters.models.scripted.turns import Choice, choose

EVENT_STREAM = "text/event-stream"
NONSENSE = b'data: {"choices": [{"delta"\xff\xfe ...\n\n<html>\n\n'


class Wire(Protocol):
    """The modules `openai_wire` and `anthropic_wire`."""

    @property
    def PATH(self) -> str: ...  # noqa: N802 - a constant of a module

    def authorise(self, headers: Any) -> None: ...
    def read(self, body: dict[str, Any]) -> Question: ...
    def problem(self, status: int, message: str) -> dict[str, Any]: ...
    def whole(self, question: Question, choice: Choice) -> dict[str, Any]: ...
    def events(self, question: Question, choice: Choice) -> Iterator[bytes]: ...


class ScriptedApp:
    """`cut` aborts the connection of a client, given its address."""

    def __init__(self, shelf: ScriptShelf, cut: Callable[[tuple[str, int]], None]) -> None:
        self.shelf = shelf
        self.counter = Counter()
        self.faults = FaultPlan()
        self._cut = cut
        wires: tuple[Wire, ...] = (openai_wire, anthropic_wire)
        self.asgi = Starlette(
            routes=[
                *(Route(wire.PATH, self._endpoint(wire), methods=["POST"]) for wire in wires),
                Route("/v1/models", self._models, methods=["GET"]),
                Route("/counts", self._counts, methods=["GET", "DELETE"]),
                Route("/faults", self._faults, methods=["POST", "DELETE"]),
            ]
        )

    def _endpoint(self, wire: Wire) -> Callable[[Request], Any]:
        async def endpoint(request: Request) -> Response:
            try:
                return await self._answer(wire, request)
            except WireProblem as problem:
                self.counter.refused(problem.message)
                return JSONResponse(wire.problem(problem.status, problem.message), problem.status)

        return endpoint

    async def _answer(self, wire: Wire, request: Request) -> Response:
        body = _parse(await request.body())
        fault = self.faults.take(str(body.get("model")))
        if fault is not None:
            self.counter.faulted()
            refusal = await self._fail(fault, wire, request)
            if refusal is not None:
                return refusal
        wire.authorise(request.headers)
        question = wire.read(body)
        choice = choose(self.shelf.get(question.model), question)
        self.counter.asked(question)
        await asyncio.sleep(choice.latency_ms / 1000)
        if not question.stream:
            self.counter.answered()
            return JSONResponse(wire.whole(question, choice))
        return StreamingResponse(self._stream(wire, question, choice, fault, request), media_type=EVENT_STREAM)

    async def _fail(self, fault: Fault, wire: Wire, request: Request) -> Response | None:
        """None: the answer begins all the same."""
        if fault.kind == "status":
            headers = {} if fault.retry_after_seconds is None else {"retry-after": f"{fault.retry_after_seconds:g}"}
            problem = wire.problem(fault.status, "a fault that a test asked for")
            if fault.code is not None:
                problem["error"] |= {"code": fault.code, "type": fault.code}
            return JSONResponse(problem, fault.status, headers)
        if fault.kind == "nonsense":
            return Response(NONSENSE, media_type=EVENT_STREAM)
        if fault.kind == "drop_before":
            self._drop(request)
            return Response(status_code=500)
        if fault.kind in ("delay", "hang"):
            await asyncio.sleep(fault.seconds)
            if await request.is_disconnected():
                return Response(status_code=499)
        return None

    async def _stream(
        self, wire: Wire, question: Question, choice: Choice, fault: Fault | None, request: Request
    ) -> AsyncIterator[bytes]:
        events = list(wire.events(question, choice))
        broken = fault is not None and fault.kind in ("drop_midway", "stall")
        for at, event in enumerate(events):
            if fault is not None and broken and at == len(events) // 2:
                if fault.kind == "drop_midway":
                    self._drop(request)
                    return
                await asyncio.sleep(fault.seconds)
            if choice.piece_ms:
                await asyncio.sleep(choice.piece_ms / 1000)
            yield event
        if not await request.is_disconnected():
            self.counter.answered()

    def _drop(self, request: Request) -> None:
        if request.client is not None:
            self._cut((request.client.host, request.client.port))

    async def _models(self, _: Request) -> Response:
        cards = [{"id": name, "object": "model", "created": 0, "owned_by": "scripted"} for name in self.shelf.names()]
        return JSONResponse({"object": "list", "data": cards})

    async def _counts(self, request: Request) -> Response:
        if request.method == "DELETE":
            self.counter.clear()
        return Response(self.counter.snapshot().model_dump_json(), media_type="application/json")

    async def _faults(self, request: Request) -> Response:
        if request.method == "DELETE":
            self.faults.clear()
            return Response(status_code=204)
        try:
            self.faults.set(Fault.model_validate_json(await request.body()))
        except ValidationError as error:
            return JSONResponse({"error": str(error)}, 422)
        return Response(status_code=204)


def _parse(body: bytes) -> dict[str, Any]:
    try:
        return object_field(json.loads(body), "body")
    except ValueError as error:
        raise WireProblem(400, f"We could not parse the JSON body of your request: {error}") from error
