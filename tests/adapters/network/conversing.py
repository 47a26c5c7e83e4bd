"""Servers on loopback, a proxy that leads to them, and clients that say exactly what they are told to."""

import asyncio
import os
import socket
from collections.abc import AsyncGenerator, Awaitable, Callable, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from pathlib import Path

from adapters.network.proxy import EgressProxy
from adapters.network.tunnel import EgressLimits
from adapters.settings import DEFAULT_AGENT_UID
from domain.network import AllowedHost, Connection

AGENT_UID = DEFAULT_AGENT_UID if os.geteuid() == 0 else None
LOOPBACK = ("127.0.0.0/8",)
Answer = Callable[[asyncio.StreamReader, asyncio.StreamWriter], Awaitable[None]]


@asynccontextmanager
async def server(answer: Answer, address: str = "127.0.0.1") -> AsyncGenerator[int]:
    """Its port."""

    async def answered(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        try:
            await answer(reader, writer)
        except (OSError, asyncio.IncompleteReadError):
            pass
        finally:
            writer.close()

    listening = await asyncio.start_server(answered, address, 0)
    try:
        yield int(listening.sockets[0].getsockname()[1])
    finally:
        listening.close()


async def echo(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    """Says back all that comes, and its length once the other side has ended."""
    total = 0
    while chunk := await reader.read(65536):
        total += len(chunk)
        writer.write(chunk)
        await writer.drain()
    writer.write(f"<{total}>".encode())
    await writer.drain()


async def hello(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    """An HTTP server that keeps its connections, whatever it is asked, and tells what it was told."""
    while head := await reader.readuntil(b"\r\n\r\n"):
        length = next(
            (int(line[15:]) for line in head.split(b"\r\n") if line.lower().startswith(b"content-length:")), 0
        )
        body = head + await reader.readexactly(length)
        writer.write(b"HTTP/1.1 200 OK\r\nConnection: keep-alive\r\nContent-Length: %d\r\n\r\n" % len(body) + body)
        await writer.drain()


class Names:
    """A resolver; each answer in turn, the last for good."""

    def __init__(self, **answers: Sequence[Sequence[str]]) -> None:
        self.asked: list[str] = []
        self._answers = {name.replace("_", "."): list(given) for name, given in answers.items()}

    async def __call__(self, host: str, port: int) -> Sequence[str]:
        self.asked.append(host)
        answers = self._answers.get(host)
        if answers is None:
            raise OSError("no such name")
        return answers.pop(0) if len(answers) > 1 else answers[0]


@dataclass
class Proxied:
    path: str
    made: list[Connection] = field(default_factory=list)

    async def connect(self) -> tuple[asyncio.StreamReader, asyncio.StreamWriter]:
        return await asyncio.open_unix_connection(self.path)

    async def say(self, said: bytes) -> bytes:
        """Everything that is answered to one text."""
        reader, writer = await self.connect()
        try:
            writer.write(said)
            await writer.drain()
            return await reader.read()
        finally:
            writer.close()

    def say_patiently(self, said: bytes) -> bytes:
        """The same from a thread, which waits until it is its turn to connect."""
        with socket.socket(socket.AF_UNIX) as client:
            client.connect(self.path)
            client.sendall(said)
            answer = b""
            while chunk := client.recv(65536):
                answer += chunk
        return answer

    async def count(self, wanted: int) -> list[Connection]:
        async with asyncio.timeout(10):
            while len(self.made) < wanted:  # noqa: ASYNC110  reports come by a plain call
                await asyncio.sleep(0.01)
        return self.made


@asynccontextmanager
async def proxy(
    home: Path, *hosts: AllowedHost, names: Names | None = None, limits: EgressLimits | None = None
) -> AsyncGenerator[Proxied]:
    made: list[Connection] = []
    egress = EgressProxy(home, AGENT_UID, names or Names(mirror_example=[["127.0.0.1"]]), limits)
    async with egress.open(hosts, made.append) as path:
        yield Proxied(path, made)


def mirror(*ports: int, host: str = "mirror.example", networks: tuple[str, ...] = LOOPBACK) -> AllowedHost:
    return AllowedHost(host=host, ports=ports, networks=networks)
