"""A child process that does not outlive this one, and writes to a file of its own."""

import asyncio
import ctypes
import os
import signal
import sys
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import BinaryIO

_PR_SET_PDEATHSIG = 1
_LOG_LIMIT_BYTES = 20 * 1024**2
# Loaded before any fork: loading a library is not safe between fork and exec.
_LIBC = ctypes.CDLL(None, use_errno=True) if sys.platform == "linux" else None


class Child:
    """Start it from the main thread: the kernel ends a child when the *thread* that forked it ends."""

    def __init__(self, process: asyncio.subprocess.Process, log_path: Path, log_start: int) -> None:
        self._process = process
        self.log_path = log_path
        self._log_start = log_start

    @classmethod
    async def start(
        cls, argv: Sequence[str], log_path: Path, environment: Mapping[str, str], cwd: Path | None = None
    ) -> "Child":
        """In a session of its own, so that a Ctrl-C at the terminal reaches only its parent."""
        parent = os.getpid()
        with _open_log(log_path) as log:
            log_start = log.tell()
            process = await asyncio.create_subprocess_exec(
                *argv,
                stdin=asyncio.subprocess.DEVNULL,
                stdout=log,
                stderr=asyncio.subprocess.STDOUT,
                env=dict(environment),
                cwd=cwd,
                start_new_session=True,
                preexec_fn=lambda: die_with(parent),
            )
        return cls(process, log_path, log_start)

    @property
    def pid(self) -> int:
        return self._process.pid

    @property
    def exit_code(self) -> int | None:
        """None while it runs; minus the signal where one ended it."""
        return self._process.returncode

    async def wait(self) -> int:
        return await self._process.wait()

    async def stop(self, grace_seconds: float = 10.0) -> int:
        """Asks, then kills."""
        if self.exit_code is None:
            self._send(signal.SIGTERM)
        try:
            async with asyncio.timeout(grace_seconds):
                return await self._process.wait()
        except TimeoutError:
            self.kill()
            return await self._process.wait()

    def kill(self) -> None:
        if self.exit_code is None:
            self._send(signal.SIGKILL)

    def said(self, last_bytes: int = 4000) -> str:
        """The end of what it has written since it was started."""
        with self.log_path.open("rb") as log:
            log.seek(max(self._log_start, log.seek(0, os.SEEK_END) - last_bytes))
            return log.read().decode(errors="replace").strip()

    def _send(self, number: signal.Signals) -> None:
        try:
            self._process.send_signal(number)
        except ProcessLookupError:
            return


def _open_log(path: Path) -> BinaryIO:
    path.parent.mkdir(parents=True, exist_ok=True)
    if path.exists() and path.stat().st_size > _LOG_LIMIT_BYTES:
        path.replace(path.with_suffix(".old.log"))
    return path.open("ab")


def die_with(parent: int) -> None:
    """To be called between fork and exec: the process is killed when the thread that forked it ends."""
    if _LIBC is not None:
        _LIBC.prctl(_PR_SET_PDEATHSIG, signal.SIGKILL, 0, 0, 0)
    # The parent may have died before the kernel was told.
    if os.getppid() != parent:
        os._exit(1)
