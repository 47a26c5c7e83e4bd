"""Migrations are SQL files; a version only names them."""

from pathlib import Path

from alembic import op
from psycopg import Connection


def execute_file(name: str) -> None:
    """Straight to psycopg, so that neither `%` nor `:` means anything but SQL."""
    connection = op.get_bind().connection.driver_connection
    assert isinstance(connection, Connection)
    connection.execute((Path(__file__).parent / name).read_bytes())
