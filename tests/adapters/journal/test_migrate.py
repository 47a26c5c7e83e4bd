"""Migrations."""

import asyncio
import sys
import time

import psycopg
import pytest
from alembic.config import Config
from alembic.script import ScriptDirectory

from adapters.journal.migrate import _MIGRATIONS, HEAD, migrate, present_version
from domain.errors import StorageUnavailable


async def test_an_empty_database_is_brought_to_the_newest_version(empty_database_url: str) -> None:
    assert await present_version(empty_database_url) is None
    await migrate(empty_database_url)
    assert await present_version(empty_database_url) == HEAD


async def test_a_database_is_migrated_from_the_command_line(empty_database_url: str) -> None:
    argv = (sys.executable, "-m", "adapters.journal.migrate")
    process = await asyncio.create_subprocess_exec(*argv, env={"DATABASE_URL": empty_database_url})
    assert await process.wait() == 0
    assert await present_version(empty_database_url) == HEAD


async def test_several_processes_may_migrate_at_once(empty_database_url: str) -> None:
    code = "import asyncio, sys; from adapters.journal.migrate import migrate; asyncio.run(migrate(sys.argv[1]))"
    argv = (sys.executable, "-c", code, empty_database_url)
    processes = [await asyncio.create_subprocess_exec(*argv) for _ in range(3)]
    await asyncio.gather(*(migrate(empty_database_url) for _ in range(2)))
    assert [await process.wait() for process in processes] == [0, 0, 0]
    assert await present_version(empty_database_url) == HEAD


async def test_nothing_to_do_is_quick(database_url: str) -> None:
    began = time.perf_counter()
    for _ in range(5):
        await migrate(database_url)
    assert (time.perf_counter() - began) / 5 < 0.25


async def test_a_database_of_a_newer_perdure_is_refused(database_url: str) -> None:
    async with await psycopg.AsyncConnection.connect(database_url, autocommit=True) as connection:
        await connection.execute("UPDATE alembic_version SET version_num = '9999'")
    with pytest.raises(StorageUnavailable, match="9999"):
        await migrate(database_url)


def test_the_head_named_in_the_code_is_the_newest_version() -> None:
    config = Config()
    config.set_main_option("script_location", str(_MIGRATIONS))
    assert ScriptDirectory.from_config(config).get_current_head() == HEAD
