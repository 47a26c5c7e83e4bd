"""Runs the scripted model on a port of its own, in a thread of its own."""

import asyncio
import socket
import threading
from collections.abc import Sequence
from pathlib import Path

import uvicorn
from typing_extensions import override
from uvicorn.protocols.http.h11_impl import H11Protocol

from adapters.models.scripted.app import ScriptedApp
from adapters.models.scripted.counts import Counts
from adapters.models.scripted.faults import Fault
from adapters.models.scripted.script import Script, ScriptShelf


class ScriptedServer:
    """Its thread has an event loop of its own: a test may block and is answered all the same."""

    def __init__(self, scripts: Sequence[Path] = (), host: str = "127.0.0.1", port: int = 0) -> None:
        self._connections: dict[tuple[str, int], asyncio.Transport] = {}
        self.connections = 0
        """Opened so far."""
        self.app = ScriptedApp(ScriptShelf(scripts), self._cut)
        self._socket = socket.create_server((host, port), backlog=512)
        bound = self._socket.getsockname()
        self.base_url = f"http://{host}:{bound[1]}"
        """Without `/v1`; this is what SCRIPTED_BASE_URL takes."""
        self._uvicorn = uvicorn.Server(
            uvicorn.Config(self.app.asgi, http=self._protocol(), ws="none", lifespan="off", log_config=None)
        )
        self._thread = threading.Thread(target=self._serve, name="scripted-model", daemon=True)

    async def start(self) -> "ScriptedServer":
        """The port listens since `__init__`: who connects before the thread runs is answered once it does."""
        self._thread.start()
        return self

    async def stop(self) -> None:
        """Ends open answers too; safe to call twice."""
        self._uvicorn.should_exit = self._uvicorn.force_exit = True
        if self._thread.ident is not None:
            await asyncio.to_thread(self._thread.join)
        self._socket.close()

    def add(self, name: str, script: Script | str) -> None:
        """A script, or its YAML, under a model name."""
        self.app.shelf.add(name, script)

    def fault(self, fault: Fault) -> None:
        self.app.faults.set(fault)

    def counts(self) -> Counts:
        return self.app.counter.snapshot()

    def clear(self) -> None:
        """Forgets counts and faults."""
        self.app.counter.clear()
        self.app.faults.clear()

    def _serve(self) -> None:
        self._uvicorn.run(sockets=[self._socket])

    def _cut(self, client: tuple[str, int]) -> None:
        connection = self._connections.get(client)
        if connection is not None:
            connection.abort()

    def _protocol(self) -> type[asyncio.Protocol]:
        server = self

        class CuttableProtocol(H11Protocol):
            """ASGI has no word for dropping a connection, so the transports are kept here."""

            @override
            def connection_made(self, transport: asyncio.Transport) -> None:
                server.connections += 1
                server._connections[transport.get_extra_info("peername")[:2]] = transport
                super().connection_made(transport)

            @override
            def connection_lost(self, exc: Exception | None) -> None:
                server._connections.pop(self.transport.get_extra_info("peername")[:2], None)
                super().connection_lost(exc)

        return CuttableProtocol
