"""Looks for planted values in everything that a stack leaves behind, in whatever dress they could be in."""

import base64
import contextlib
import threading
import zlib
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from http.client import HTTPConnection
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any
from urllib.parse import quote, urlsplit

import psycopg
import zstandard
from psycopg import sql
from temporalio.client import Client

from tests.fixtures.git_server import git
from tests.fixtures.stack import Stack
from tests.workflows.chains import histories

ZSTD = b"\x28\xb5\x2f\xfd"


@dataclass(frozen=True, order=True)
class Leak:
    """`name` is that of the planted value."""

    place: str
    name: str
    dress: str


Places = dict[str, list[bytes]]


def leaks(places: Mapping[str, Iterable[bytes]], planted: Mapping[str, str]) -> set[Leak]:
    worn = [(name, dress, form) for name, value in planted.items() for dress, form in dresses(value.encode())]
    found: set[Leak] = set()
    for place, contents in places.items():
        for layer in (layer for content in contents for layer in layers(content)):
            found |= {Leak(place, name, dress) for name, dress, form in worn if form in layer}
    return found


def dresses(value: bytes) -> Iterator[tuple[str, bytes]]:
    for dress, plain in (("plain", value), ("reversed", value[::-1])):
        yield dress, plain
        yield f"{dress} hex", plain.hex().encode()
        yield f"{dress} HEX", plain.hex().upper().encode()
        yield f"{dress} url", quote(plain, safe="").encode()
        for shift in range(3):
            encoded = base64.b64encode(bytes(shift) + plain).rstrip(b"=")
            # Letters at the edges hold bits of what stands beside the value.
            inner = encoded[(0, 2, 3)[shift] : len(encoded) - 1]
            yield f"{dress} base64", inner
            yield f"{dress} base64url", inner.replace(b"+", b"-").replace(b"/", b"_")


def layers(content: bytes) -> Iterator[bytes]:
    """The content, and what is compressed in it."""
    yield content
    at = content.find(ZSTD)
    while at >= 0:
        with contextlib.suppress(zstandard.ZstdError):
            yield zstandard.ZstdDecompressor().decompressobj().decompress(content[at:])
        at = content.find(ZSTD, at + 1)
    if content[:1] == b"\x78":
        try:
            yield zlib.decompressobj().decompress(content)
        except zlib.error:
            return


def files(*roots: Path) -> Iterator[bytes]:
    for root in roots:
        for path in root.rglob("*"):
            if path.is_symlink():
                yield f"{path} {path.readlink()}".encode()
            elif path.is_file():
                yield str(path).encode() + b"\n" + path.read_bytes()
            else:
                yield str(path).encode()


def git_objects(*roots: Path) -> Iterator[bytes]:
    """Every object of every repository below, packed or not."""
    for root in roots:
        for head in root.rglob("HEAD"):
            if (head.parent / "objects").is_dir():
                batch = ("cat-file", "--batch-all-objects", "--batch", "--unordered")
                yield git(head.parent, *batch, fails=True).encode(errors="surrogateescape")


async def tables(database_url: str) -> list[bytes]:
    """Every row of every table of ours, as text; bytes as they are."""
    async with await psycopg.AsyncConnection.connect(database_url) as connection:
        listed = await connection.execute("SELECT tablename FROM pg_tables WHERE schemaname = current_schema()")
        names = [str(row[0]) for row in await listed.fetchall()]
        contents: list[bytes] = []
        for name in names:
            rows = await (await connection.execute(sql.SQL("TABLE {}").format(sql.Identifier(name)))).fetchall()
            cells = (cell for row in rows for cell in row)
            contents += [cell if isinstance(cell, bytes) else str(cell).encode(errors="replace") for cell in cells]
        return contents


async def temporal(client: Client, directory: Path, run_id: str) -> list[bytes]:
    """The run's histories with their payloads, and the files of the whole server."""
    events = [event for history in await histories(client, run_id) for event in history.events]
    return [*(event.SerializeToString() for event in events), *files(directory)]


async def answers(stack: Stack, run_id: str, snapshot_id: str) -> Places:
    """What every GET route says: of this run, and of everything; those that show the workspace's files apart."""
    described: dict[str, Any] = await stack.get("/openapi.json")
    said: Places = {"api": [], "metrics": [], "api: files": []}
    for path in (path for path, methods in described["paths"].items() if "get" in methods):
        where = path.replace("{run_id}", run_id).replace("{snapshot_id}", snapshot_id).replace("{name}", "coder")
        assert "{" not in where, where
        if path.endswith("/events"):
            said["api"].append(str(await stack.events(run_id)).encode())
            continue
        answer = await stack.http.get(where)
        assert answer.status_code < 500, answer.text
        place = "metrics" if path == "/metrics" else "api: files" if "/diff" in path or "/files" in path else "api"
        said[place].append(f"{answer.headers}\n".encode() + answer.content)
    return said


@dataclass
class ModelRecorder:
    """Stands before a model's server and keeps the bodies of requests; refuses the first, repeating its key."""

    upstream: str
    bodies: list[bytes] = field(default_factory=list)
    keys: set[str] = field(default_factory=set)

    def __post_init__(self) -> None:
        self._http = ThreadingHTTPServer(("127.0.0.1", 0), _recording(self))
        self._thread = threading.Thread(target=self._http.serve_forever, kwargs={"poll_interval": 0.05}, daemon=True)
        self._thread.start()

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self._http.server_port}"

    def stop(self) -> None:
        self._http.shutdown()
        self._http.server_close()
        self._thread.join()


def _recording(recorder: ModelRecorder) -> type[BaseHTTPRequestHandler]:
    class Recording(BaseHTTPRequestHandler):
        def do_POST(self) -> None:
            body = self.rfile.read(int(self.headers["Content-Length"]))
            key = self.headers.get("x-api-key") or self.headers.get("Authorization", "").removeprefix("Bearer ")
            recorder.bodies.append(body)
            if key not in recorder.keys:
                recorder.keys.add(key)
                self._refuse(key)
                return
            upstream = HTTPConnection(urlsplit(recorder.upstream).netloc)
            kept = {name: value for name, value in self.headers.items() if name.lower() not in ("host", "connection")}
            upstream.request("POST", self.path, body, kept)
            answer = upstream.getresponse()
            self.send_response(answer.status)
            self.send_header("Content-Type", answer.getheader("Content-Type", ""))
            self.end_headers()
            self.wfile.write(answer.read())
            upstream.close()

        def _refuse(self, key: str) -> None:
            told = f'{{"error": {{"message": "The key {key} has asked too often", "type": "rate_limit_error"}}}}'
            self.send_response(429)
            self.send_header("Content-Type", "application/json")
            self.send_header("retry-after", "0")
            self.end_headers()
            self.wfile.write(told.encode())

        def log_message(self, format: str, *args: object) -> None:  # noqa: A002
            """Says nothing."""

    return Recording
