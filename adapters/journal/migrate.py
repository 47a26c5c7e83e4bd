"""Brings a database to the schema that this code speaks."""

import asyncio
import os
import sys
import threading
from pathlib import Path

import psycopg

from adapters.journal.errors import translated
from adapters.journal.statements import statements
from domain.errors import PerdureError, StorageUnavailable

HEAD = "0009"
"""The newest version in migrations/versions; a test compares the two."""
_MIGRATIONS = Path(__file__).parent / "migrations"
# Alembic keeps what it works on in globals: within a process one at a time, between processes the database's lock.
_ALEMBIC = threading.Lock()


async def migrate(dsn: str) -> None:
    """Safe in several processes at once; one query where nothing is to do. Raises StorageUnavailable, OutOfSpace."""
    with translated():
        present = await present_version(dsn)
        if present == HEAD:
            return
        if present is not None and present > HEAD:
            raise StorageUnavailable(
                f"The database is of version {present}, made by a newer Perdure; this one speaks {HEAD}",
                "Run the newer Perdure, or point DATABASE_URL at another database.",
            )
        await asyncio.to_thread(_upgrade, dsn)


async def present_version(dsn: str) -> str | None:
    async with await psycopg.AsyncConnection.connect(dsn, autocommit=True, connect_timeout=10) as connection:
        try:
            cursor = await connection.execute(statements("version")["present"])
        except psycopg.errors.UndefinedTable:
            return None
        row = await cursor.fetchone()
        return str(row[0]) if row else None


def _upgrade(dsn: str) -> None:
    # Half a second of imports, needed once in the life of a database.
    from alembic import command
    from alembic.config import Config
    from sqlalchemy import create_engine
    from sqlalchemy.exc import DBAPIError
    from sqlalchemy.pool import NullPool

    config = Config()
    config.set_main_option("script_location", str(_MIGRATIONS).replace("%", "%%"))
    config.set_main_option("path_separator", "os")
    engine = create_engine("postgresql+psycopg://", creator=lambda: psycopg.connect(dsn), poolclass=NullPool)
    try:
        with _ALEMBIC, engine.connect() as connection:
            config.attributes["connection"] = connection
            command.upgrade(config, "head")
    except DBAPIError as failure:
        raise failure.orig if failure.orig is not None else failure from failure
    finally:
        engine.dispose()


def main() -> int:
    """`python -m adapters.journal.migrate`: the database that DATABASE_URL names."""
    try:
        asyncio.run(migrate(os.environ["DATABASE_URL"]))
    except PerdureError as error:
        sys.stderr.write(f"{error.message} {error.next_step}\n")
        return 2
    return 0


if __name__ == "__main__":
    sys.exit(main())
