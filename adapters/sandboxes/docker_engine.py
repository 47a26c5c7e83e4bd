"""Docker's engine: control requests by its SDK in a few threads, and streams that the event loop moves itself."""

import asyncio
import contextlib
import json
import socket
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from threading import Lock
from typing import TypeVar
from urllib.parse import urlsplit

import docker
import requests
from docker.errors import APIError, DockerException, ImageNotFound, StreamParseError
from urllib3.exceptions import HTTPError

from domain.errors import PerdureError, SandboxRefused, SandboxUnavailable

T = TypeVar("T")
DEFAULT_HOST = "unix:///var/run/docker.sock"
THREADS, ANSWER_SECONDS = 8, 60
HEAD_BYTES = 64 * 1024
CHECK = "Check that Docker runs, and that this user may reach its socket (DOCKER_HOST)."
NEEDED = "An image needs /bin/sh, /usr/bin/env and /usr/bin/timeout, and this host's architecture."
FAILURES = (DockerException, StreamParseError, requests.RequestException, HTTPError, OSError)


def named(error: BaseException) -> PerdureError:
    """The engine's failures as ours."""
    if isinstance(error, ImageNotFound):
        return SandboxRefused(
            f"The engine does not have the image: {error.explanation or error}.",
            "On the worker's host: docker pull IMAGE, or docker build -t IMAGE. Perdure pulls none by itself.",
        )
    said = error.explanation if isinstance(error, APIError) else error
    text = str(said or error)
    if "runtime" in text and ("nknown" in text or "invalid" in text):
        return unknown_runtime(text)
    if 'exec: "' in text and ("no such file" in text or "not found" in text):
        return SandboxRefused(f"The image cannot run commands: {text}", NEEDED)
    return SandboxUnavailable(f"Docker's engine failed: {text}", "" if isinstance(error, APIError) else CHECK)


def unknown_runtime(text: str) -> SandboxRefused:
    remedy = "Add the runtime to the engine's daemon.json, or unset PERDURE_DOCKER_RUNTIME."
    return SandboxRefused(f"Docker cannot use the runtime: {text}", remedy)


class Engine:
    """Connects when it is first asked."""

    def __init__(self, host: str | None) -> None:
        self.host = host or DEFAULT_HOST
        place = urlsplit(self.host)
        if place.scheme not in ("unix", "tcp") or (place.scheme == "tcp" and place.port is None):
            raise SandboxRefused(
                f"Commands cannot be run by an engine at {self.host!r}.",
                "DOCKER_HOST is unix:///path or tcp://host:port of an engine that sees this host's files.",
            )
        self._place = place
        self._client: docker.APIClient | None = None
        self._connecting = Lock()
        self._threads = ThreadPoolExecutor(THREADS, thread_name_prefix="docker")

    def client(self) -> docker.APIClient:
        """For a thread. Raises one of FAILURES where no engine answers."""
        with self._connecting:
            if self._client is None:
                self._reach()
                self._client = docker.APIClient(base_url=self.host, timeout=ANSWER_SECONDS)
            return self._client

    def _reach(self) -> None:
        """The SDK forgets to close what it could not connect."""
        if self._place.scheme == "unix":
            with socket.socket(socket.AF_UNIX) as connection:
                connection.connect(self._place.path)

    async def ask(self, question: Callable[[docker.APIClient], T]) -> T:
        try:
            answer = asyncio.get_running_loop().run_in_executor(self._threads, lambda: self.answer(question))
        except RuntimeError as error:
            raise SandboxUnavailable("This sandbox is closed.") from error
        return await answer

    def answer(self, question: Callable[[docker.APIClient], T]) -> T:
        """As `ask`, in this thread."""
        try:
            return question(self.client())
        except FAILURES as error:
            raise named(error) from error

    def later(self, work: Callable[[], None]) -> None:
        """Does it some time, whatever becomes of it."""

        def attempt() -> None:
            with contextlib.suppress(PerdureError):
                work()

        with contextlib.suppress(RuntimeError):  # closed meanwhile
            self._threads.submit(attempt)

    async def stream(self, path: str, body: dict[str, object] | None = None) -> tuple[socket.socket, bytes]:
        """What the engine turns a POST into: a connection of its own, and what came on it already."""
        version = await self.ask(lambda client: str(client.api_version))
        content = json.dumps(body or {}).encode()
        head = (
            f"POST /v{version}{path} HTTP/1.1\r\nHost: docker\r\nConnection: Upgrade\r\nUpgrade: tcp\r\n"
            f"Content-Type: application/json\r\nContent-Length: {len(content)}\r\n\r\n"
        )
        unix = self._place.scheme == "unix"
        connection = socket.socket(socket.AF_UNIX if unix else socket.AF_INET, socket.SOCK_STREAM)
        connection.setblocking(False)
        loop = asyncio.get_running_loop()
        try:
            address = self._place.path if unix else (self._place.hostname, self._place.port)
            await loop.sock_connect(connection, address)
            await loop.sock_sendall(connection, head.encode() + content)
            return connection, await _upgraded(connection)
        except BaseException as error:
            connection.close()
            if isinstance(error, OSError):
                raise named(error) from error
            raise

    def close(self) -> None:
        self._threads.shutdown()
        if self._client is not None:
            self._client.close()


async def _upgraded(connection: socket.socket) -> bytes:
    """Reads the answer's head; what follows it belongs to the stream."""
    loop = asyncio.get_running_loop()
    seen = b""
    while b"\r\n\r\n" not in seen:
        chunk = await loop.sock_recv(connection, HEAD_BYTES)
        if not chunk or len(seen) > HEAD_BYTES:
            raise SandboxUnavailable("Docker's engine ended the connection before it answered.")
        seen += chunk
    head, _, rest = seen.partition(b"\r\n\r\n")
    status = head.split(b" ", 2)[1:2]
    if status not in ([b"101"], [b"200"]):
        raise SandboxUnavailable(f"Docker's engine gave no stream: {(head + rest)[-500:].decode(errors='replace')}")
    return rest
