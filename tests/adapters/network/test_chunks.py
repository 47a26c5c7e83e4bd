"""Nothing follows the one request that a connection is for, however its body is framed."""

import asyncio
from pathlib import Path

import pytest

from tests.adapters.network.conversing import mirror, proxy, server

SECOND = b"POST /second HTTP/1.1\r\nHost: hidden.example\r\nContent-Length: 0\r\n\r\n"


class Told:
    """A server that keeps all that it is told, and answers once nothing more comes for a while."""

    def __init__(self) -> None:
        self.told = b""

    async def __call__(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        try:
            while chunk := await asyncio.wait_for(reader.read(65536), 0.3):
                self.told += chunk
        except TimeoutError:
            pass
        writer.write(b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok")
        await writer.drain()


def post(port: int, *fields: str, version: str = "HTTP/1.1") -> bytes:
    lines = (f"POST http://mirror.example:{port}/first {version}", *fields)
    return "".join(f"{line}\r\n" for line in (*lines, "")).encode()


async def test_what_follows_a_chunked_body_stays_behind(tmp_path: Path) -> None:
    told = Told()
    body = b"4;ext=x\r\nbody\r\n10\r\n0\r\n\r\nGET / HTTP\n\r\n0\r\nTrailer: x\r\n\r\n"
    async with server(told) as port, proxy(tmp_path, mirror(port)) as proxied:
        answer = await proxied.say(post(port, "Transfer-Encoding: chunked") + body + SECOND)
    assert answer.endswith(b"ok")
    assert b"second" not in told.told and b"hidden.example" not in told.told
    assert told.told.endswith(b"\r\n\r\n4\r\nbody\r\n10\r\n0\r\n\r\nGET / HTTP\n\r\n0\r\n\r\n")


@pytest.mark.parametrize(
    "body",
    [
        b"4\r\nbodyX\r\n0\r\n\r\n",
        b"-1\r\n",
        b"4 4\r\nbody\r\n",
        b"4\nbody\r\n0\r\n\r\n",
        b"0\r\n" + b"a: b\r\n" * 100,
        b"f" * 40_000 + b"\r\n",
    ],
)
async def test_chunks_that_can_be_read_in_two_ways_are_refused(tmp_path: Path, body: bytes) -> None:
    told = Told()
    async with server(told) as port, proxy(tmp_path, mirror(port)) as proxied:
        answer = await proxied.say(post(port, "Transfer-Encoding: chunked") + body + SECOND)
        (made,) = await proxied.count(1)
    assert answer.startswith(b"HTTP/1.1 400 ")
    assert made.reason == "The chunks of the request are not clear."
    assert b"second" not in told.told


@pytest.mark.parametrize("said", ["identity", "gzip, chunked", "xchunked", "chunked, identity", "\x0bchunked"])
async def test_no_other_transfer_encoding_is_passed_on(tmp_path: Path, said: str) -> None:
    told = Told()
    async with server(told) as port, proxy(tmp_path, mirror(port)) as proxied:
        answers = [
            await proxied.say(post(port, f"Transfer-Encoding: {said}") + SECOND),
            await proxied.say(post(port, "Transfer-Encoding: chunked", version="HTTP/1.0") + b"0\r\n\r\n" + SECOND),
        ]
    assert [answer.split(b" ")[1] for answer in answers] == [b"501", b"501"]
    assert told.told == b""
