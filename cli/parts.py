"""The parts of a stack, each with one shape: started, waited for, stopped, killed."""

import asyncio
import os
import signal
import sys
from collections.abc import Awaitable, Callable, Mapping, Sequence
from contextlib import suppress
from pathlib import Path
from typing import TYPE_CHECKING, Protocol

from adapters.embedded.child import Child
from adapters.embedded.ports import LOOPBACK
from adapters.embedded.temporal import EmbeddedTemporal
from domain.errors import WorldError

if TYPE_CHECKING:
    from adapters.embedded.postgres import EmbeddedPostgres

ROOT = Path(__file__).resolve().parents[1]
_READY_SECONDS = 60.0


class Part(Protocol):
    @property
    def name(self) -> str: ...

    async def start(self) -> None:
        """Until it answers. PerdureError says why it does not."""
        ...

    async def wait(self) -> str:
        """Until it has ended: how."""
        ...

    async def stop(self) -> None: ...

    def kill(self) -> None: ...


class PostgresPart:
    name = "Postgres"

    def __init__(self, directory: Path) -> None:
        self._directory = directory
        self._server: EmbeddedPostgres | None = None

    @property
    def dsn(self) -> str:
        assert self._server is not None, "not started"
        return self._server.dsn

    async def start(self) -> None:
        # The database driver takes a third of a second to import, in which Temporal can start.
        self._server = self._server or await asyncio.to_thread(_embedded_postgres, self._directory)
        await self._server.start()

    async def wait(self) -> str:
        assert self._server is not None, "not started"
        await self._server.wait()
        return "by itself"

    async def stop(self) -> None:
        if self._server is not None:
            await self._server.stop()

    def kill(self) -> None:
        if self._server is not None and (pid := self._server.pid) is not None:
            with suppress(ProcessLookupError):
                os.kill(pid, signal.SIGQUIT)


class TemporalPart:
    name = "Temporal"

    def __init__(self, directory: Path, port: int, ui_port: int, log_path: Path) -> None:
        self._server = EmbeddedTemporal(directory, port, ui_port, log_path)

    @property
    def address(self) -> str:
        return self._server.address

    @property
    def ui_url(self) -> str:
        return self._server.ui_url

    async def start(self) -> None:
        await self._server.start()

    async def wait(self) -> str:
        return _ending(await self._server.wait())

    async def stop(self) -> None:
        await self._server.stop()

    def kill(self) -> None:
        self._server.kill()


class ProgramPart:
    """A Python program of ours. `environment` and `ready` are asked anew at each start."""

    def __init__(
        self,
        name: str,
        arguments: Sequence[str],
        log_path: Path,
        environment: Callable[[], Mapping[str, str]],
        ready: Callable[[Child], Awaitable[bool]],
        grace_seconds: float = 10.0,
    ) -> None:
        self.name = name
        self._arguments = tuple(arguments)
        self._log_path = log_path
        self._environment = environment
        self._ready = ready
        self._grace_seconds = grace_seconds
        self._child: Child | None = None

    @property
    def pid(self) -> int | None:
        return self._child.pid if self._child else None

    async def start(self) -> None:
        # -P: a directory called `api` where the user happens to stand must not be mistaken for ours.
        argv = [sys.executable, "-P", *self._arguments]
        environment = {**self._environment(), "PYTHONPATH": str(ROOT), "PYTHONUNBUFFERED": "1"}
        self._child = await Child.start(argv, self._log_path, environment, self._log_path.parent)
        deadline = asyncio.get_running_loop().time() + _READY_SECONDS
        while not await self._ready(self._child):
            if self._child.exit_code is not None:
                raise WorldError(
                    f"{self.name} did not start ({_ending(self._child.exit_code)}). It said:\n{self._child.said()}",
                    f"See {self._log_path}",
                )
            if asyncio.get_running_loop().time() > deadline:
                await self._child.stop(1.0)
                raise WorldError(
                    f"{self.name} did not answer within {_READY_SECONDS:.0f} s. It said:\n{self._child.said()}",
                    f"See {self._log_path}",
                )
            await asyncio.sleep(0.03)

    async def wait(self) -> str:
        assert self._child is not None, "not started"
        return _ending(await self._child.wait())

    async def stop(self) -> None:
        if self._child is not None:
            await self._child.stop(self._grace_seconds)

    def kill(self) -> None:
        if self._child is not None:
            self._child.kill()


async def listens(address: str, within_seconds: float = 1.0) -> bool:
    """Whether anybody takes connections at host:port."""
    host, _, port = address.rpartition(":")
    try:
        async with asyncio.timeout(within_seconds):
            _, writer = await asyncio.open_connection(host or LOOPBACK, int(port))
    except (OSError, ValueError, TimeoutError):
        return False
    writer.close()
    return True


async def get_status(port: int, path: str) -> tuple[int, str]:
    """Status and body of a GET on loopback; 0 where nobody answers. No client library is this light."""
    try:
        reader, writer = await asyncio.open_connection(LOOPBACK, port)
        writer.write(f"GET {path} HTTP/1.0\r\nHost: {LOOPBACK}:{port}\r\nConnection: close\r\n\r\n".encode())
        async with asyncio.timeout(10):
            answer = (await reader.read()).decode(errors="replace")
        writer.close()
    except (OSError, TimeoutError):
        return 0, ""
    head, _, body = answer.partition("\r\n\r\n")
    words = head.split(" ", 2)
    return (int(words[1]) if len(words) > 2 and words[1].isdigit() else 0), body


def _embedded_postgres(directory: Path) -> "EmbeddedPostgres":
    from adapters.embedded.postgres import EmbeddedPostgres

    return EmbeddedPostgres(directory)


def _ending(exit_code: int) -> str:
    if exit_code < 0:
        return f"killed by {signal.Signals(-exit_code).name}"
    return f"exit status {exit_code}"
