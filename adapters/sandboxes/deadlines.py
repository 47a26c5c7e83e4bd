"""A second deadline for each command, kept by a process of its own: it strikes where this process is stopped.

`timeout` inside would do the same for a command, for a millisecond and within reach of what it watches.
"""

import contextlib
import itertools
import os
import subprocess
import sys
import time
import weakref
from pathlib import Path

from domain.errors import SandboxUnavailable

GRACE_SECONDS = 10.0
"""How long after ours it strikes."""
PROGRAM = Path(__file__).with_name("deadline_watch.py")


class Deadline:
    """Of the child `pid`, `seconds` from when it is set."""

    def __init__(self, deadlines: "Deadlines", pid: int, seconds: float) -> None:
        self._deadlines = deadlines
        self._pid = pid
        self._seconds = seconds
        self._number: int | None = None

    def set(self) -> None:
        """Raises SandboxUnavailable where nobody would keep it."""
        self._number = self._deadlines.set(self._pid, self._seconds)

    def lift(self) -> None:
        number, self._number = self._number, None
        if number is not None:
            self._deadlines.lift(number)


class Deadlines:
    """Its process is started with the first command, again if it was killed, and ends with this one."""

    def __init__(self) -> None:
        self._process: subprocess.Popen[bytes] | None = None
        self._numbers = itertools.count()
        self._watched: dict[int, tuple[int, float]] = {}
        self._end: weakref.finalize[[subprocess.Popen[bytes]], Deadlines] | None = None

    def set(self, pid: int, seconds: float) -> int:
        number = next(self._numbers)
        self._watched[number] = (pid, time.monotonic() + seconds + GRACE_SECONDS)
        try:
            self._say(self._line(number))
        except SandboxUnavailable:
            del self._watched[number]
            raise
        return number

    def lift(self, number: int) -> None:
        del self._watched[number]
        # Where nobody hears it, nobody watches; after the end of all of them nobody is started for it.
        if self._process is not None:
            with contextlib.suppress(SandboxUnavailable):
                self._say(f"{number}\n")

    def close(self) -> None:
        if self._end is not None:
            self._end()
        self._process = None

    def _say(self, line: str) -> None:
        if self._process is not None:
            try:
                self._write(self._process, line)
            except OSError:  # killed, or stopped for so long that the pipe is full
                self.close()
            else:
                return
        self._process = _start()
        self._end = weakref.finalize(self, _kill, self._process)
        try:
            self._write(self._process, "".join(self._line(number) for number in self._watched))
        except OSError as error:
            raise SandboxUnavailable(f"Nobody keeps the deadlines of commands: {error}") from error

    def _line(self, number: int) -> str:
        pid, at = self._watched[number]
        return f"{number} {pid} {max(at - time.monotonic(), 0):.3f}\n"

    @staticmethod
    def _write(process: subprocess.Popen[bytes], text: str) -> None:
        """All or nothing: it is far shorter than what a pipe takes in one piece."""
        assert process.stdin is not None
        os.write(process.stdin.fileno(), text.encode())


def _start() -> subprocess.Popen[bytes]:
    try:
        process = subprocess.Popen(
            [sys.executable, "-I", "-S", str(PROGRAM)],
            stdin=subprocess.PIPE,
            stdout=subprocess.DEVNULL,
            cwd="/",
            env={},
            start_new_session=True,
        )
    except OSError as error:
        raise SandboxUnavailable(f"Nobody can keep the deadlines of commands: {error}") from error
    assert process.stdin is not None
    os.set_blocking(process.stdin.fileno(), False)
    return process


def _kill(process: subprocess.Popen[bytes]) -> None:
    process.kill()
    process.communicate()
