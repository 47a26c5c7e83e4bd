"""What alembic runs: the migrations in one transaction, one process at a time."""

from alembic import context
from sqlalchemy import Connection, text

ONE_AT_A_TIME = 7_303_014_201
"""Any number that no other program locks in this database."""


def run(connection: Connection) -> None:
    connection.execute(text("SELECT pg_advisory_xact_lock(:number)"), {"number": ONE_AT_A_TIME})
    context.configure(connection=connection)
    with context.begin_transaction():
        context.run_migrations()
    connection.commit()


run(context.config.attributes["connection"])
