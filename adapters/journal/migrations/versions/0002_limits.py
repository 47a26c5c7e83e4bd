"""Limits as admission: accounts for trees of runs, months of teams, reservations."""

from adapters.journal.migrations.files import execute_file

revision = "0002"
down_revision: str | None = "0001"


def upgrade() -> None:
    execute_file("0002_accounts.sql")
    execute_file("0002_limits.sql")
