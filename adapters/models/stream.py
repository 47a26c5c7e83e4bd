"""Reads an answer as JSON events, whether it comes as server-sent events or in one piece."""

import asyncio
import json
from collections.abc import AsyncIterator
from contextlib import suppress
from typing import TYPE_CHECKING, Any

from adapters.models.endpoint import Endpoint, Patience
from adapters.models.failures import misdirected, unreadable
from domain.errors import ProviderRefused

if TYPE_CHECKING:
    import httpx2

DRAIN_SECONDS = 0.5


async def read_events(
    response: "httpx2.Response", endpoint: Endpoint, patience: Patience
) -> AsyncIterator[dict[str, Any]]:
    """Raises ProviderUnavailable for what is not JSON, ProviderRefused for a web page or an endless answer."""
    kind = response.headers.get("content-type", "").partition(";")[0].strip().lower()
    if kind == "text/html":
        raise misdirected(endpoint, "a web page came instead of an answer")
    if kind == "application/json":
        whole = b"".join([piece async for piece in _capped(response, endpoint, patience)])
        yield _parsed(whole, endpoint)
        return
    held: list[bytes] = []
    lines = _lines(_capped(response, endpoint, patience))
    async for line in lines:
        if line.startswith(b"data:"):
            held.append(line[5:].lstrip(b" "))
        elif not line and held:
            event = held[0] if len(held) == 1 else b"\n".join(held)
            held = []
            if event == b"[DONE]":
                await _drain(lines)
                return
            yield _parsed(event, endpoint)
    if held and held[0] != b"[DONE]":
        yield _parsed(b"\n".join(held), endpoint)


async def _drain(lines: AsyncIterator[bytes]) -> None:
    """A connection is used again only if its answer was read to the end."""
    with suppress(TimeoutError):
        async with asyncio.timeout(DRAIN_SECONDS):
            async for _ in lines:
                pass


async def _capped(response: "httpx2.Response", endpoint: Endpoint, patience: Patience) -> AsyncIterator[bytes]:
    total = 0
    async for piece in response.aiter_bytes():
        total += len(piece)
        if total > patience.answer_bytes:
            raise ProviderRefused(
                f"{endpoint.provider} at {endpoint.base_url}: the answer passed {patience.answer_bytes} bytes",
                "The server does not keep to the limit of output tokens: check it, or use another model.",
            )
        yield piece


async def _lines(pieces: AsyncIterator[bytes]) -> AsyncIterator[bytes]:
    rest: list[bytes] = []
    async for piece in pieces:
        first, *others = piece.split(b"\n")
        rest.append(first)
        for other in others:
            yield b"".join(rest).rstrip(b"\r")
            rest = [other]
    yield b"".join(rest).rstrip(b"\r")


def _parsed(event: bytes, endpoint: Endpoint) -> dict[str, Any]:
    try:
        value = json.loads(event)
    except ValueError as error:
        raise unreadable(endpoint, f"the answer is not JSON: {event[:200].decode('utf-8', 'replace')}") from error
    if not isinstance(value, dict):
        raise unreadable(endpoint, f"the answer is not an object: {event[:200].decode('utf-8', 'replace')}")
    return value
