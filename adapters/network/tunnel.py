"""One connection of a command to the proxy, from its first line to its end."""

import asyncio
import contextlib
from collections.abc import Awaitable, Callable, Sequence
from dataclasses import dataclass, field

from adapters.network.chunks import one_body
from adapters.network.request import Asked, NoRequest, answered, asked
from domain.network import AllowedHost, Connection, allowed, may_reach

Resolve = Callable[[str, int], Awaitable[Sequence[str]]]
CHUNK = 64 * 1024
SHOWN = 20
HEAD_END = b"\r\n\r\n"


@dataclass(frozen=True)
class EgressLimits:
    """What one command may ask of the proxy."""

    at_once: int = 64
    head_bytes: int = 32 * 1024
    head_seconds: float = 15.0
    connect_seconds: float = 15.0
    idle_seconds: float = 300.0
    total_bytes: int = 8 * 1024**3


@dataclass
class Passage:
    """What the connections of one command share."""

    hosts: Sequence[AllowedHost]
    limits: EgressLimits
    resolve: Resolve
    report: Callable[[Connection], None]
    bytes: int = 0

    def count(self, size: int) -> None:
        self.bytes += size
        if self.bytes > self.limits.total_bytes:
            raise NoRequest("403 Forbidden", f"This command moved more than {self.limits.total_bytes:,} bytes.")

    async def addresses(self, host: str, port: int) -> Sequence[str]:
        """All that the name means, checked; raises NoRequest where one of them is out of bounds."""
        matching = allowed(self.hosts, host, port)
        if not matching:
            reach = "; ".join([*map(str, self.hosts[:SHOWN]), *(["..."] if len(self.hosts) > SHOWN else [])])
            raise NoRequest(
                "403 Forbidden",
                f"{host}:{port} is not among the hosts that this run may reach: {reach}. "
                "The operator of Perdure allows hosts, in the site file (PERDURE_SITE).",
            )
        try:
            async with asyncio.timeout(self.limits.connect_seconds):
                found = list(dict.fromkeys(await self.resolve(host, port)))
        except (OSError, UnicodeError, TimeoutError) as error:
            raise NoRequest("502 Bad Gateway", f"{host} cannot be found.") from error
        for address in found:
            if not may_reach(address, matching):
                raise NoRequest(
                    "403 Forbidden",
                    f"{host} is allowed, but it means {address}, which is not a public address. "
                    "The operator of Perdure can allow its network, in the site file (`networks` of the host).",
                )
        if not found:
            raise NoRequest("502 Bad Gateway", f"{host} cannot be found.")
        return found


@dataclass
class Tunnel:
    """`run` never raises but for a cancellation, and reports whatever becomes of it."""

    passage: Passage
    client: asyncio.StreamReader
    client_writer: asyncio.StreamWriter
    host: str = ""
    port: int = 0
    address: str | None = None
    allowed: bool = False
    reason: str = ""
    sent: int = 0
    received: int = 0
    silent: bool = False
    """Nothing was asked for."""
    _idle: asyncio.Timeout | None = field(default=None, init=False)
    _begun: bool = field(default=False, init=False)
    """The client has been answered, so that it cannot be told anything else."""

    async def run(self) -> None:
        began = asyncio.get_running_loop().time()
        try:
            await self._serve()
        except NoRequest as refused:
            self.reason = refused.reason
            await self._tell(refused)
        except TimeoutError:
            self.reason = f"Nothing moved for {self.passage.limits.idle_seconds:g} seconds."
        except OSError as error:
            self.reason = f"The connection was lost: {error.strerror or error}."
            await self._tell(NoRequest("502 Bad Gateway", self.reason))
        finally:
            self.client_writer.transport.abort()
            if not self.silent:
                self.passage.report(self._connection(asyncio.get_running_loop().time() - began))

    def _connection(self, seconds: float) -> Connection:
        return Connection(
            host=self.host,
            port=self.port,
            allowed=self.allowed,
            address=self.address,
            reason=self.reason,
            sent_bytes=self.sent,
            received_bytes=self.received,
            seconds=round(seconds, 3),
        )

    async def _serve(self) -> None:
        request = await self._asked()
        if request is None:
            return
        self.host, self.port = request.host, request.port
        addresses = await self.passage.addresses(request.host, request.port)
        self.allowed = True
        server, server_writer = await self._connect(addresses)
        server_writer.transport.set_write_buffer_limits(high=0)
        try:
            async with asyncio.timeout(self.passage.limits.idle_seconds) as self._idle:
                await self._exchange(request, server, server_writer)
        finally:
            self._idle = None
            server_writer.transport.abort()

    async def _asked(self) -> Asked | None:
        try:
            async with asyncio.timeout(self.passage.limits.head_seconds):
                return asked(await self.client.readuntil(HEAD_END))
        except asyncio.IncompleteReadError as ended:
            self.silent = not ended.partial
            self.reason = "The request ended early."
            return None
        except asyncio.LimitOverrunError as error:
            raise NoRequest("431 Request Header Fields Too Large", "The head of the request is too long.") from error
        except TimeoutError as error:
            raise NoRequest("408 Request Timeout", "The request did not come in time.") from error

    async def _connect(self, addresses: Sequence[str]) -> tuple[asyncio.StreamReader, asyncio.StreamWriter]:
        """To the addresses that were checked, and by no name: a second look-up could say something else."""
        why = ""
        for address in addresses:
            self.address = address
            try:
                async with asyncio.timeout(self.passage.limits.connect_seconds):
                    return await asyncio.open_connection(address, self.port, limit=self.passage.limits.head_bytes)
            except TimeoutError:
                why = "it did not answer in time"
            except OSError as error:
                why = error.strerror or str(error)
        raise NoRequest("502 Bad Gateway", f"{self.host}:{self.port} cannot be reached: {why}.")

    async def _exchange(self, request: Asked, server: asyncio.StreamReader, to_server: asyncio.StreamWriter) -> None:
        if request.head is None:
            self._begun = True
            await self._give(self.client_writer, b"HTTP/1.1 200 Connection established\r\n\r\n")
            both = self._up(to_server), self._down(server)
        else:
            await self._send(to_server, request.head)
            both = self._body(to_server, request.body_bytes), self._answer(server, request.bodiless)
        up, down = (asyncio.ensure_future(one) for one in both)
        try:
            # A plain exchange is over with the server's answer, a tunnel when both sides have ended.
            first, _ = await asyncio.wait((up, down), return_when=asyncio.FIRST_COMPLETED)
            if up in first:
                up.result()
            await down
            if request.head is None:
                await up
        finally:
            for task in (up, down):
                task.cancel()
            await asyncio.gather(up, down, return_exceptions=True)

    async def _up(self, to_server: asyncio.StreamWriter) -> None:
        while chunk := await self.client.read(CHUNK):
            await self._send(to_server, chunk)
        to_server.write_eof()

    async def _body(self, to_server: asyncio.StreamWriter, left: int | None) -> None:
        """A server that has read enough may answer all the same."""
        with contextlib.suppress(OSError):
            if left is None:
                async for piece in one_body(self.client):
                    await self._send(to_server, piece)
            while left and (chunk := await self.client.read(min(CHUNK, left))):
                left -= len(chunk)
                await self._send(to_server, chunk)

    async def _answer(self, server: asyncio.StreamReader, bodiless: bool) -> None:
        more, left = True, None
        while more:
            try:
                answer = answered(await server.readuntil(HEAD_END), bodiless)
            except (asyncio.IncompleteReadError, asyncio.LimitOverrunError, NoRequest) as error:
                raise NoRequest("502 Bad Gateway", f"The answer of {self.host} cannot be read.") from error
            await self._receive(answer.head)
            more, left = answer.more, answer.body_bytes
        await self._down(server, left)

    async def _down(self, server: asyncio.StreamReader, left: int | None = None) -> None:
        while left != 0 and (chunk := await server.read(min(CHUNK, left or CHUNK))):
            left = None if left is None else left - len(chunk)
            await self._receive(chunk)
        self.client_writer.write_eof()

    async def _send(self, to_server: asyncio.StreamWriter, chunk: bytes) -> None:
        self.passage.count(len(chunk))
        self.sent += len(chunk)
        await self._give(to_server, chunk)

    async def _receive(self, chunk: bytes) -> None:
        self.passage.count(len(chunk))
        self.received += len(chunk)
        self._begun = True
        await self._give(self.client_writer, chunk)

    async def _give(self, writer: asyncio.StreamWriter, chunk: bytes) -> None:
        writer.write(chunk)
        await writer.drain()
        if self._idle is not None:
            self._idle.reschedule(asyncio.get_running_loop().time() + self.passage.limits.idle_seconds)

    async def _tell(self, refused: NoRequest) -> None:
        """In the status line, too: many clients show nothing else of it."""
        if self._begun:
            return
        text = f"perdure: {refused.reason}"
        status = f"403 {text}" if refused.status.startswith("403") else refused.status
        body = (text + "\n").encode()
        head = (
            f"HTTP/1.1 {status}\r\nContent-Type: text/plain\r\nContent-Length: {len(body)}\r\nConnection: close\r\n\r\n"
        )
        with contextlib.suppress(OSError, TimeoutError):
            async with asyncio.timeout(self.passage.limits.head_seconds):
                await self._give(self.client_writer, head.encode() + body)
