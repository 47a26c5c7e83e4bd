"""The git program: one process at a time, bounded in time, output and memory, dead when its caller is."""

import asyncio
import contextlib
import os
import re
import resource
import signal
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import IO

from adapters.repositories.environment import host_environment, options

ERROR_BYTES = 16 * 1024
MAX_OUTPUT_BYTES = 64 * 1024**2
UNPRINTABLE = re.compile(r"[^\x20-\x7e\n]")


@dataclass(frozen=True)
class GitResult:
    """`error` is the end of standard error, printable and without secrets. `ended` says what stopped it, if not git."""

    code: int
    output: bytes = b""
    error: str = ""
    ended: str = ""

    @property
    def ok(self) -> bool:
        return self.code == 0 and not self.ended


@dataclass(frozen=True)
class GitCall:
    """`output_file` takes standard output in place of `GitResult.output`. `memory_bytes` bounds hostile input."""

    arguments: Sequence[str]
    git_dir: Path = Path("/nonexistent")
    """Always said, so that git never looks for one."""
    environment: Mapping[str, str] = field(default_factory=dict, repr=False)
    protocol: str = ""
    stdin: bytes | IO[bytes] = b""
    output_file: IO[bytes] | None = None
    timeout_seconds: float = 120.0
    memory_bytes: int | None = None
    secrets: tuple[str, ...] = field(default=(), repr=False)


async def run_git(call: GitCall) -> GitResult:
    """Never raises for what git says; the process group is killed on a timeout and when this call is cancelled."""
    process = await _start(call)
    if call.memory_bytes is not None:
        with contextlib.suppress(ProcessLookupError):
            resource.prlimit(process.pid, resource.RLIMIT_AS, (call.memory_bytes, call.memory_bytes))
    try:
        async with asyncio.timeout(call.timeout_seconds):
            output, error, _ = await asyncio.gather(
                _read(process), _read_end(process.stderr), _feed(process.stdin, call.stdin)
            )
            code = await process.wait()
    except TimeoutError:
        return GitResult(code=124, ended=f"git was stopped after {call.timeout_seconds:.0f} seconds")
    finally:
        await _end(process)
    ended = f"git printed more than {MAX_OUTPUT_BYTES // 1024**2} MiB" if len(output) > MAX_OUTPUT_BYTES else ""
    return GitResult(code, output, _clean(error, call.secrets), ended)


async def _start(call: GitCall) -> asyncio.subprocess.Process:
    # The umask by a shell, since not every event loop can set it; what the agent's user reads must be readable.
    return await asyncio.create_subprocess_exec(
        *("sh", "-c", 'umask 022; exec "$@"', "sh"),
        "git",
        f"--git-dir={call.git_dir}",
        *options(),
        *call.arguments,
        cwd="/",
        env=host_environment(os.environ, call.protocol) | dict(call.environment),
        stdin=asyncio.subprocess.PIPE if isinstance(call.stdin, bytes) else call.stdin,
        stdout=call.output_file or asyncio.subprocess.PIPE,
        stderr=asyncio.subprocess.PIPE,
        start_new_session=True,
    )


async def _read(process: asyncio.subprocess.Process) -> bytes:
    kept = bytearray()
    while process.stdout is not None and (chunk := await process.stdout.read(1 << 16)):
        kept += chunk
        if len(kept) > MAX_OUTPUT_BYTES:
            _kill(process)
            break
    return bytes(kept)


async def _read_end(stream: asyncio.StreamReader | None) -> bytes:
    kept = b""
    while stream is not None and (chunk := await stream.read(1 << 16)):
        kept = (kept + chunk)[-ERROR_BYTES:]
    return kept


async def _feed(stream: asyncio.StreamWriter | None, content: bytes | IO[bytes]) -> None:
    if stream is None or not isinstance(content, bytes):
        return
    # RuntimeError is uvloop's word for a pipe whose reader, here a git that was done at once, is gone.
    with contextlib.suppress(BrokenPipeError, ConnectionResetError, RuntimeError):
        stream.write(content)
        await stream.drain()
    stream.close()


async def _end(process: asyncio.subprocess.Process) -> None:
    if process.returncode is None:
        _kill(process)
        await process.wait()


def _kill(process: asyncio.subprocess.Process) -> None:
    # The session's whole group: git leaves its transports to children.
    with contextlib.suppress(ProcessLookupError, PermissionError):
        os.killpg(process.pid, signal.SIGKILL)


def _clean(error: bytes, secrets: Sequence[str]) -> str:
    text = UNPRINTABLE.sub("", error.decode(errors="replace").replace("\r", "\n"))
    for secret in secrets:
        text = text.replace(secret, "***")
    return text.strip()
