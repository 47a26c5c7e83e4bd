"""Limits as admission: accounts for trees of runs, months of teams, reservations."""

from adapters.journal.migrations.files import execute_file

revision = "0003"
down_revision: str | None = "0002"


def upgrade() -> None:
    execute_file("0003_accounts.sql")
    execute_file("0003_limits.sql")
