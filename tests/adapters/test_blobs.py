"""Blobs in a directory, in memory and behind S3's wire format."""

import asyncio
import hashlib
import os
import socket
import subprocess
import sys
import threading
import tracemalloc
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

import pytest
from obstore import exceptions

from adapters.blobs import ObjectBlobs, key_of, translate
from domain.errors import InvalidRequest, NotFound, OutOfSpace, PerdureError, StorageUnavailable

CONTENT = b"some content\x00\xff" * 1000
ADDRESS = hashlib.sha256(CONTENT).hexdigest()


OBJECTS: dict[str, bytes] = {}


class _Bucket(BaseHTTPRequestHandler):
    """As much of S3 as a blob store asks for; a bucket called `broken` answers 503, `secret` 403, `gone` 404."""

    def do_PUT(self) -> None:
        content = self.rfile.read(int(self.headers["Content-Length"]))
        if self._may():
            OBJECTS[self.path] = content
            self._answer(200, b"", {"ETag": '"1"'})

    def do_GET(self) -> None:
        if not self._may():
            return
        content = OBJECTS.get(self.path)
        if content is None:
            self._answer(404, b"")
            return
        extra = {"ETag": '"1"', "Last-Modified": "Wed, 21 Oct 2015 07:28:00 GMT"}
        if wanted := self.headers.get("Range"):
            first, last = (int(number) for number in wanted.removeprefix("bytes=").split("-"))
            last = min(last, len(content) - 1)
            extra["Content-Range"] = f"bytes {first}-{last}/{len(content)}"
            self._answer(206, content[first : last + 1], extra)
        else:
            self._answer(200, content, extra)

    def do_HEAD(self) -> None:
        self.do_GET()

    def _may(self) -> bool:
        status = {"broken": 503, "secret": 403, "gone": 404}.get(self.path.split("/")[1])
        if status:
            self._answer(status, b"<Error><Code>Refused</Code></Error>")
        return status is None

    def _answer(self, status: int, content: bytes, extra: dict[str, str] | None = None) -> None:
        self.send_response_only(status)
        for name, value in {"Content-Length": str(len(content)), **(extra or {})}.items():
            self.send_header(name, value)
        self.end_headers()
        if self.command != "HEAD":
            self.wfile.write(content)


@pytest.fixture(scope="module")
def endpoint() -> Iterator[str]:
    server = ThreadingHTTPServer(("127.0.0.1", 0), _Bucket)
    server.daemon_threads = True
    threading.Thread(target=server.serve_forever, daemon=True).start()
    yield f"http://127.0.0.1:{server.server_port}"
    server.shutdown()
    server.server_close()


def names(directory: Path, pattern: str = "*") -> set[str]:
    return {path.name for path in directory.glob(pattern)}


def s3(endpoint: str, bucket: str = "bucket") -> ObjectBlobs:
    url = f"s3://{bucket}/some/prefix"
    return ObjectBlobs(url, {"access_key_id": "key", "secret_access_key": "x", "region": "r-1", "endpoint": endpoint})


@pytest.fixture(params=["directory", "memory", "s3"])
def blobs(request: pytest.FixtureRequest, tmp_path: Path, endpoint: str) -> ObjectBlobs:
    if request.param == "s3":
        return s3(endpoint)
    return ObjectBlobs("memory://" if request.param == "memory" else f"file://{tmp_path}/new/with%20space")


async def test_content_comes_back_by_its_hash(blobs: ObjectBlobs) -> None:
    assert await blobs.put(CONTENT) == ADDRESS
    assert await blobs.put(CONTENT) == ADDRESS
    assert await blobs.has(ADDRESS)
    assert await blobs.get(ADDRESS) == CONTENT
    assert await blobs.get_range(ADDRESS, 5, 9) == CONTENT[5:14]
    assert await blobs.get_range(ADDRESS, len(CONTENT) - 3, 50) == CONTENT[-3:]
    assert await blobs.get(await blobs.put(b"")) == b""


async def test_files_go_in_and_come_out(blobs: ObjectBlobs, tmp_path: Path) -> None:
    source, target = tmp_path / "source", tmp_path / "target"
    source.write_bytes(CONTENT)
    assert await blobs.put_file(source) == ADDRESS
    assert await blobs.put_file(source) == ADDRESS
    await blobs.get_file(ADDRESS, target)
    assert target.read_bytes() == CONTENT
    assert names(tmp_path) - {"new"} == {"source", "target"}


async def test_what_is_missing_is_not_found(blobs: ObjectBlobs, tmp_path: Path) -> None:
    absent = "0" * 64
    assert not await blobs.has(absent)
    for wanted in (blobs.get(absent), blobs.get_range(absent, 0, 1), blobs.get_file(absent, tmp_path / "x")):
        with pytest.raises(NotFound, match=absent):
            await wanted
    assert not names(tmp_path, "x*")


async def test_a_damaged_blob_is_never_handed_out(tmp_path: Path) -> None:
    blobs = ObjectBlobs(f"file://{tmp_path}/blobs")
    await blobs.put(CONTENT)
    stored = tmp_path / "blobs" / key_of(ADDRESS)
    assert stored.parent.name == ADDRESS[:2]
    stored.write_bytes(CONTENT[:-1] + b"!")
    for wanted in (blobs.get(ADDRESS), blobs.get_file(ADDRESS, tmp_path / "x")):
        with pytest.raises(StorageUnavailable, match="damaged"):
            await wanted
    assert not names(tmp_path, "x*")
    await blobs.put(CONTENT)
    assert await blobs.get(ADDRESS) == CONTENT


@pytest.mark.skipif(not os.access("/dev/full", os.W_OK), reason="this system has no /dev/full")
def test_a_full_disk_is_out_of_space(tmp_path: Path) -> None:
    """In a mount namespace of its own with a tiny tmpfs, where user namespaces are open."""
    program = (
        "import asyncio, sys\n"
        "from adapters.blobs import ObjectBlobs\n"
        "from domain.errors import OutOfSpace\n"
        "try:\n    asyncio.run(ObjectBlobs('file://' + sys.argv[1]).put(bytes(10**6)))\n"
        "except OutOfSpace as error:\n    print('full:', error.message)\n"
    )
    script = tmp_path / "fill.py"
    script.write_text(program)
    shell = 'mount -t tmpfs -o size=64k none "$1" && exec "$2" "$3" "$1"'
    full = tmp_path / "full"
    full.mkdir()
    answer = subprocess.run(
        ["unshare", "--user", "--map-root-user", "--mount", "sh", "-c", shell, "sh", full, sys.executable, script],
        capture_output=True,
        text=True,
        env={**os.environ, "PYTHONPATH": os.pathsep.join([str(Path.cwd()), *sys.path])},
        timeout=60,
    )
    assert "full: The blob store is full" in answer.stdout, answer.stderr


async def test_an_unreachable_store_is_unavailable_at_once() -> None:
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        blobs = s3(f"http://127.0.0.1:{taken.getsockname()[1]}")
        for wanted in (blobs.put(CONTENT), blobs.get(ADDRESS), blobs.has(ADDRESS)):
            with pytest.raises(StorageUnavailable):
                await asyncio.wait_for(wanted, 10)


@pytest.mark.parametrize("bucket", ["broken", "secret", "gone"])
async def test_a_store_that_refuses_is_unavailable(endpoint: str, bucket: str) -> None:
    with pytest.raises(StorageUnavailable):
        await s3(endpoint, bucket).put(CONTENT)


@pytest.mark.parametrize("url", ["nonsense", "ftp://host/x", "file-without-scheme/x", "az://container/x"])
def test_a_url_that_means_nothing_is_refused(url: str) -> None:
    with pytest.raises(InvalidRequest, match="cannot be used"):
        ObjectBlobs(url)


def test_every_exception_of_obstore_is_mapped() -> None:
    kinds = [kind for name in dir(exceptions) if isinstance(kind := getattr(exceptions, name), type)]
    assert len(kinds) >= 12
    expected: dict[str, type[PerdureError]] = {
        "NotFoundError": StorageUnavailable,
        "InvalidPathError": InvalidRequest,
        "NotSupportedError": InvalidRequest,
        "UnknownConfigurationKeyError": InvalidRequest,
    }
    for kind in kinds:
        assert type(translate(kind("why"), "address")) is expected.get(kind.__name__, StorageUnavailable), kind
    assert type(translate(FileNotFoundError("x"), "address")) is NotFound
    assert type(translate(FileNotFoundError("x"), "address", writing=True)) is StorageUnavailable
    assert type(translate(exceptions.GenericError("No space left on device (os error 28)"), "a")) is OutOfSpace
    assert type(translate(OSError(28, "full"), "a")) is OutOfSpace


async def test_a_large_file_passes_in_bounded_memory(tmp_path: Path) -> None:
    blobs = ObjectBlobs(f"file://{tmp_path}/blobs")
    large = tmp_path / "large"
    with large.open("wb") as file:
        file.truncate(300 * 1024**2)
    tracemalloc.start()
    address = await blobs.put_file(large)
    await blobs.get_file(address, tmp_path / "copy")
    peak = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    assert (tmp_path / "copy").stat().st_size == large.stat().st_size
    assert peak < 40 * 1024**2
