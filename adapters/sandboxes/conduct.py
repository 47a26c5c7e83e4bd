"""The life of one command, the same in every sandbox: ready, closed in, let go, watched, destroyed."""

import asyncio
import errno
import time
from collections.abc import Awaitable, Callable, Coroutine
from typing import Literal, Protocol, TypeVar

from adapters.sandboxes.output import Live
from adapters.sandboxes.process import Process
from adapters.sandboxes.watch import Watch
from domain.errors import ModelMistake, SandboxUnavailable
from domain.sandbox import Command, CommandResult

START_SECONDS = 30.0

Ended = Literal["exited", "timed_out", "output_limit", "disk_limit", "out_of_memory", "cancelled"]
Show = Callable[[bytes], Awaitable[None]]
T = TypeVar("T")


class Cage(Protocol):
    """What holds one command's processes."""

    out_of_memory: bool
    """Known once it is destroyed."""

    async def close_in(self) -> None:
        """Sets the limits while the first process still waits."""
        ...

    async def destroy(self) -> None:
        """Kills every process and returns when they are gone."""
        ...


async def conduct(
    child: Process, cage: Cage, command: Command, on_output: Show | None, stopped: asyncio.Event, watch: Watch
) -> CommandResult:
    """Raises SandboxUnavailable where it could not be started. On cancellation all is dead before this returns."""
    ended: Ended = "exited"
    began = time.monotonic()
    try:
        if not await child.ready(START_SECONDS):
            return refusal(child.complaint(), command)
        await cage.close_in()
        if on_output is not None:
            child.live = Live(on_output)
        began = time.monotonic()
        child.go(command.stdin)
        ended = await _until_over(child, command.timeout_seconds, stopped, watch)
    except BaseException:
        if child.live is not None:
            child.live.cancel()
        raise
    finally:
        try:
            code = await to_the_end(_end(child, cage))
        finally:
            child.abandon()
    if ended == "exited" and code and cage.out_of_memory:
        ended = "out_of_memory"
    return _result(child, code, ended, time.monotonic() - began)


def refusal(complaint: str, command: Command) -> CommandResult:
    """A directory that is not there is an answer for the model; anything else is ours."""
    if "Can't chdir to" in complaint:
        return missing_directory(command)
    raise SandboxUnavailable(f"The sandbox could not be started: {complaint}", "`perdure doctor` tries its parts.")


def missing_directory(command: Command) -> CommandResult:
    text = f"sandbox: {command.cwd}: no such directory\n".encode()
    if command.split_error:
        return CommandResult(exit_code=126, head=b"", error=text)
    return CommandResult(exit_code=126, head=text, output_bytes=len(text))


def not_startable(error: ValueError | OSError) -> Exception:
    """A command that no program can be given is the model's; anything else is the host's."""
    if isinstance(error, ValueError) or error.errno == errno.E2BIG:
        return ModelMistake(f"The command cannot be started: {error}", "Put long text into a file, without NUL bytes.")
    return SandboxUnavailable(f"The sandbox could not be started: {error}")


async def _until_over(child: Process, timeout_seconds: float, stopped: asyncio.Event, watch: Watch) -> Ended:
    passed = asyncio.ensure_future(watch.passed())
    reasons: dict[asyncio.Task[object], Ended] = {
        asyncio.ensure_future(child.ended()): "exited",
        asyncio.ensure_future(child.over_limit.wait()): "output_limit",
        asyncio.ensure_future(stopped.wait()): "cancelled",
    }
    try:
        ends: list[asyncio.Task[object]] = [passed, *reasons]
        done, _ = await asyncio.wait(ends, timeout=timeout_seconds, return_when=asyncio.FIRST_COMPLETED)
        if passed in done:
            return passed.result()
    finally:
        for task in (passed, *reasons):
            task.cancel()
    over: list[Ended] = [reasons[task] for task in reasons if task in done]
    return over[-1] if over else "timed_out"


async def _end(child: Process, cage: Cage) -> int:
    await cage.destroy()
    return await child.close()


async def to_the_end(work: Coroutine[None, None, T]) -> T:
    """Finishes `work` even where the caller is cancelled meanwhile, and only then passes the cancellation on."""
    task = asyncio.ensure_future(work)
    cancelled = False
    while not task.done():
        try:
            await asyncio.shield(task)
        except asyncio.CancelledError:
            cancelled = True
    if cancelled:
        raise asyncio.CancelledError
    return task.result()


def _result(child: Process, code: int, ended: Ended, seconds: float) -> CommandResult:
    if child.output.total + child.error.total > child.limit and ended == "exited":
        ended = "output_limit"
    head, tail = child.output.parts()
    return CommandResult(
        exit_code=code,
        head=head,
        tail=tail,
        error=child.error.joined(),
        output_bytes=child.output.total,
        cut=child.output.cut or child.error.cut,
        ended=ended,
        seconds=seconds,
        report=bytes(child.report),
    )
