"""The forwarder on this host's own loopback: a process like the one in a sandbox, leading to a server of ours."""

import asyncio
import os
import sys
from collections.abc import AsyncGenerator
from contextlib import asynccontextmanager
from pathlib import Path

from adapters.embedded.ports import free_port
from adapters.network import forward
from tests.adapters.network.conversing import Answer, echo


@asynccontextmanager
async def forwarded(
    directory: Path, answer: Answer, command: str
) -> AsyncGenerator[tuple[int, asyncio.subprocess.Process]]:
    """The port, and the process, which becomes the command."""

    async def answered(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        try:
            await answer(reader, writer)
        except OSError:
            pass
        finally:
            writer.close()

    path, port = directory / "proxy.sock", free_port()
    listening = await asyncio.start_unix_server(answered, path, backlog=100)
    argv = [sys.executable, "-I", "-S", forward.__file__, str(port), str(path), "sh", "-c", f"echo up; {command}"]
    process = await asyncio.create_subprocess_exec(*argv, stdin=-1, stdout=-1, stderr=-1)
    assert process.stdout is not None and await process.stdout.readline() == b"up\n"
    try:
        yield port, process
    finally:
        if process.returncode is None:
            process.kill()
        await process.communicate()
        listening.close()


async def said(port: int, content: bytes) -> bytes:
    reader, writer = await asyncio.open_connection("127.0.0.1", port)
    answer = asyncio.create_task(reader.read())
    writer.write(content)
    writer.write_eof()
    await writer.drain()
    try:
        return await answer
    finally:
        writer.close()


async def test_many_connections_are_carried_whole_and_half_closed(tmp_path: Path) -> None:
    async with forwarded(tmp_path, echo, "exec cat") as (port, _):
        contents = [os.urandom(300_000) for _ in range(60)]
        answers = await asyncio.gather(*(said(port, content) for content in contents))
        assert answers == [content + b"<300000>" for content in contents]
        big = os.urandom(20_000_000)
        assert await said(port, big) == big + b"<20000000>"


async def test_more_connections_than_it_carries_at_once_wait(tmp_path: Path) -> None:
    async with forwarded(tmp_path, echo, "exec cat") as (port, _):
        idle = [await asyncio.open_connection("127.0.0.1", port) for _ in range(forward.AT_ONCE)]
        waiting = asyncio.create_task(said(port, b"late"))
        await asyncio.sleep(0.3)
        assert not waiting.done()
        idle[0][1].close()
        async with asyncio.timeout(10):
            assert await waiting == b"late<4>"
        for _, writer in idle:
            writer.close()


async def test_an_answer_comes_whole_where_the_other_side_hangs_up_early(tmp_path: Path) -> None:
    async def refuse(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await reader.read(10)
        writer.write(b"no" * 5_000)
        await writer.drain()

    async with forwarded(tmp_path, refuse, "exec cat") as (port, _):
        reader, writer = await asyncio.open_connection("127.0.0.1", port)
        writer.write(b"x" * 100_000)
        assert await reader.read() == b"no" * 5_000
        writer.close()


async def test_it_ends_with_its_command_and_holds_none_of_its_streams(tmp_path: Path) -> None:
    async with forwarded(tmp_path, echo, "exec sleep 0.3") as (port, process):
        out, error = await asyncio.wait_for(process.communicate(), 10)
        assert (out, error, process.returncode) == (b"", b"", 0)
        async with asyncio.timeout(10):
            while await answers(port):  # noqa: ASYNC110  it is nobody's child that could be waited for
                await asyncio.sleep(0.05)


async def answers(port: int) -> bool:
    try:
        _, writer = await asyncio.open_connection("127.0.0.1", port)
    except ConnectionError:
        return False
    writer.close()
    return True


async def test_a_port_that_is_taken_is_said(tmp_path: Path) -> None:
    async with forwarded(tmp_path, echo, "exec cat") as (port, _):
        argv = [sys.executable, "-I", "-S", forward.__file__, str(port), "/nowhere", "true"]
        process = await asyncio.create_subprocess_exec(*argv, stderr=-1)
        _, error = await process.communicate()
        assert process.returncode == 125 and b"perdure: the way to the network" in error
