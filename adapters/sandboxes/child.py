"""A child that runs nothing of the agent's before we say so, and its three streams.

The first process in the sandbox prints `r` and waits for a line: a worker that dies while the sandbox starts leaves
nothing behind, as the wait then ends without one.
"""

import contextlib
import math
import os
import shutil
import signal
import subprocess
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from functools import cache
from pathlib import Path

from adapters.sandboxes.deadlines import GRACE_SECONDS
from adapters.sandboxes.pipes import Reader, Writer, until_dead
from adapters.sandboxes.process import DRAIN_SECONDS, GO, Process
from domain.sandbox import Command

Streams = tuple[int, int, int]


def deadline(command: Command) -> str:
    """One inside, which strikes where this process is stopped."""
    return f"/usr/bin/timeout -s KILL {math.ceil(command.timeout_seconds + GRACE_SECONDS)} "


def gate(command: Command, limits: str, deadline: str) -> str:
    """Shell text of the first process: sets `limits`, shakes hands, becomes the command, below `deadline` if any."""
    streams = "3>&2 2>&1 " if command.report else ""
    # Shells and bwrap set these by themselves; the command gets what it was given.
    strange = [name for name in ("PWD", "OLDPWD", "SHLVL") if name not in command.environment]
    forget = f"unset -v {' '.join(strange)}; " if strange else ""
    return f'umask 022; {limits}; echo r; IFS= read -r _ || exit 125; {forget}exec {streams}{deadline}"$@"'


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
        change = _change_of_user(self.user) if self.path and self.user is not None else ()
        return self._as_other(change, streams) if change else self._as_said(streams)

    def _as_other(self, change: Sequence[str], streams: Streams) -> subprocess.Popen[bytes]:
        """Changing the user ourselves would fork all of this process's memory map, which takes 20 ms; this takes 1.

        The program is named from its own directory, since its first argument can be read inside."""
        program = Path(self.path or "")
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


@cache
def _change_of_user(user: int) -> tuple[str, ...]:
    """The arguments before a program that is to run as `user` and in no other group; none where no way is known."""
    places = "/usr/sbin:/usr/bin:/sbin:/bin"
    if setpriv := shutil.which("setpriv", path=places):
        slower = (setpriv, f"--reuid={user}", f"--regid={user}", "--clear-groups", "--")
    else:
        slower = ()
    # GNU's chroot changes no root here. It starts in half the time that setpriv takes, and not every chroot can do it.
    if (chroot := shutil.which("chroot", path=places)) is None:
        return slower
    quicker = (chroot, f"--userspec=+{user}:+{user}", "--groups=", "--skip-chdir", "/")
    tried = subprocess.run([*quicker, "/bin/sh", "-c", "id -u; id -G"], capture_output=True, text=True, cwd="/")
    return quicker if tried.stdout.split() == [str(user), str(user)] else slower


class Child(Process):
    """Started at once, by the thread of the event loop: the kernel ties a parent-death signal to the thread."""

    def __init__(self, start: Start, command: Command) -> None:
        super().__init__(command)
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
            self._readers.append(Reader(ends[2][0], self._take_second))

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
        await self._heard_all()
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
