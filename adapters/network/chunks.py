"""A body that comes in chunks, read to its own end: what follows it on a connection would be another request."""

import asyncio
import re
from collections.abc import AsyncGenerator

from adapters.network.request import NoRequest

PIECE = 64 * 1024
SIZE = re.compile(rb"([0-9A-Fa-f]{1,12})[ \t]*(?:;[^\r\n]*)?\r\n")
TRAILERS = 64


async def one_body(reader: asyncio.StreamReader) -> AsyncGenerator[bytes]:
    """Its chunks in a plain form, without extensions and trailers. Raises NoRequest where it has another."""
    try:
        while left := await _size(reader):
            yield b"%x\r\n" % left
            while left:
                piece = await reader.read(min(PIECE, left))
                if not piece:
                    raise _unclear()
                left -= len(piece)
                yield piece
            if await reader.readexactly(2) != b"\r\n":
                raise _unclear()
            yield b"\r\n"
        for _ in range(TRAILERS):
            if await reader.readuntil(b"\r\n") == b"\r\n":
                yield b"0\r\n\r\n"
                return
    except (asyncio.IncompleteReadError, asyncio.LimitOverrunError) as error:
        raise _unclear() from error
    raise _unclear()


async def _size(reader: asyncio.StreamReader) -> int:
    line = SIZE.fullmatch(await reader.readuntil(b"\r\n"))
    if line is None:
        raise _unclear()
    return int(line[1], 16)


def _unclear() -> NoRequest:
    return NoRequest("400 Bad Request", "The chunks of the request are not clear.")
