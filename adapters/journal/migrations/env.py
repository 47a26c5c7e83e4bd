"""What alembic runs: the migrations in one transaction, one process at a time."""

from alembic import context
from sqlalchemy import Connection, text

from adapters.journal.statements import statements


def run(connection: Connection) -> None:
    connection.execute(text(statements("version")["one_at_a_time"].decode()))
    context.configure(connection=connection)
    with context.begin_transaction():
        context.run_migrations()
    connection.commit()


run(context.config.attributes["connection"])
