"""A child that runs nothing of the agent's before we say so, and its three streams.

The first process in the sandbox prints `r` and waits for a line: a worker that dies while the sandbox starts leaves
nothing behind, as the wait then ends without one.
"""

import asyncio
import contextlib
import math
import os
import shutil
import signal
import subprocess
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path

from adapters.sandboxes.output import Live, Output
from adapters.sandboxes.pipes import Reader, Writer, until_dead
from domain.sandbox import REPORT_BYTES, Command

Streams = tuple[int, int, int]
READY, GO = b"r\n", b"g\n"
DRAIN_SECONDS = 5.0
GRACE_SECONDS = 10
"""How long after ours the deadline inside strikes, should this process be stopped."""


def gate(command: Command, limits: str) -> str:
    """Shell text of the first process: sets `limits`, shakes hands, becomes the command under a deadline."""
    deadline = f"/usr/bin/timeout -s KILL {math.ceil(command.timeout_seconds) + GRACE_SECONDS}"
    streams = "3>&2 2>&1 " if command.report else ""
    # Shells and bwrap set these by themselves; the command gets what it was given.
    strange = [name for name in ("PWD", "OLDPWD", "SHLVL") if name not in command.environment]
    forget = f"unset -v {' '.join(strange)}; " if strange else ""
    return f'umask 022; {limits}; echo r; IFS= read -r _ || exit 125; {forget}exec {streams}{deadline} "$@"'


@dataclass(frozen=True)
class Start:
    """How the first process is started. `path` is the program where `argv[0]` should not tell it."""

    argv: Sequence[str]
    user: int | None
    path: str | None = None
    cwd: str = "/"
    environment: Mapping[str, str] = field(default_factory=dict[str, str])
    pass_fds: Sequence[int] = ()

    def spawn(self, streams: Streams) -> subprocess.Popen[bytes]:
        setpriv = shutil.which("setpriv") if self.path and self.user is not None else None
        return self._as_other(setpriv, streams) if setpriv else self._as_said(streams)

    def _as_other(self, setpriv: str, streams: Streams) -> subprocess.Popen[bytes]:
        """Changing the user ourselves would fork all of this process's memory map, which takes 20 ms; this takes 1.

        The program is named from its own directory, since its first argument can be read inside."""
        program = Path(self.path or "")
        change = [setpriv, f"--reuid={self.user}", f"--regid={self.user}", "--clear-groups", "--"]
        return self._open([*change, f"./{program.name}", *self.argv[1:]], streams, str(program.parent))

    def _as_said(self, streams: Streams) -> subprocess.Popen[bytes]:
        return self._open(self.argv, streams, self.cwd, self.path, self.user)

    def _open(
        self, argv: Sequence[str], streams: Streams, cwd: str, path: str | None = None, user: int | None = None
    ) -> subprocess.Popen[bytes]:
        return subprocess.Popen(
            argv,
            executable=path,
            stdin=streams[0],
            stdout=streams[1],
            stderr=streams[2],
            cwd=cwd,
            env=self.environment,
            user=user,
            group=user,
            extra_groups=None if user is None else [],
            pass_fds=self.pass_fds,
            start_new_session=True,
        )


class Child:
    """Started at once, by the thread of the event loop: the kernel ties a parent-death signal to the thread."""

    def __init__(self, start: Start, command: Command) -> None:
        self.over_limit = asyncio.Event()
        self.limit = command.limits.output_bytes
        self._ready: asyncio.Future[bool] = asyncio.get_running_loop().create_future()
        self._start = bytearray()
        self.live: Live | None = None
        self.output = Output(command.keep_bytes, self.limit, command.output_path)
        self.error = Output(command.keep_bytes, self.limit)
        self.report = bytearray()
        self._connect(start, command)

    def _connect(self, start: Start, command: Command) -> None:
        apart = command.report or command.split_error
        ends = [os.pipe() for _ in range(3 if apart else 2)]
        theirs = (ends[0][0], ends[1][1], ends[-1][1])
        try:
            self._process = start.spawn(theirs)
        except BaseException:
            for fd in (fd for pair in ends for fd in pair):
                os.close(fd)
            self.output.close()
            raise
        for fd in set(theirs):
            os.close(fd)
        self.pid = self._process.pid
        self.pidfd = os.pidfd_open(self.pid)
        self._stdin = Writer(ends[0][1])
        self._readers = [Reader(ends[1][0], self._take_output)]
        if apart:
            take: Callable[[bytes], None] = self._take_report if command.report else self._take_error
            self._readers.append(Reader(ends[2][0], take))

    def _take_output(self, chunk: bytes) -> None:
        if not self._ready.done():
            self._start += chunk
            if not self._start.startswith(READY):
                return
            self._ready.set_result(True)
            chunk = bytes(self._start[len(READY) :])
        self.output.take(chunk)
        if self.live is not None:
            self.live.take(chunk)
        self._count()

    def _take_error(self, chunk: bytes) -> None:
        self.error.take(chunk)
        self._count()

    def _take_report(self, chunk: bytes) -> None:
        self.report += chunk[: REPORT_BYTES - len(self.report)]

    def _count(self) -> None:
        if self.output.total + self.error.total > self.limit:
            self.over_limit.set()

    async def ready(self, seconds: float) -> bool:
        """Whether the first process in the sandbox has said so; else `complaint` says why not."""
        ended = asyncio.ensure_future(until_dead(self.pidfd))
        try:
            await asyncio.wait([self._ready, ended], timeout=seconds, return_when=asyncio.FIRST_COMPLETED)
            if not self._ready.done() and ended.done():
                await self._drain()
        finally:
            ended.cancel()
        return self._ready.done()

    def complaint(self) -> str:
        words = bytes(self._start) + bytes(self.report) + self.error.joined()
        return words.decode(errors="replace").strip() or "it did not start in time"

    def go(self, stdin: bytes) -> None:
        self._stdin.send_and_close(GO + stdin)

    async def ended(self) -> None:
        await until_dead(self.pidfd)

    async def _drain(self) -> None:
        for reader in self._readers:
            await reader.drain(DRAIN_SECONDS)

    def kill(self) -> None:
        with contextlib.suppress(ProcessLookupError):
            signal.pidfd_send_signal(self.pidfd, signal.SIGKILL)

    async def close(self) -> int:
        """After the end: reads what is left and answers the exit code, 128 + signal for a killed one."""
        await self.ended()
        code = self._process.wait()
        self._stdin.close()
        await self._drain()
        if self.live is not None:
            await self.live.finish()
        self.output.close()
        os.close(self.pidfd)
        return 128 - code if code < 0 else code

    def abandon(self) -> None:
        """Where `close` was not let: the loop ends, and with it whatever would wait. Kills and reaps without it."""
        if self._process.returncode is not None:
            return
        self.kill()
        self._process.wait()
        for reader in self._readers:
            reader.close()
        self._stdin.close()
        self.output.close()
        os.close(self.pidfd)
