"""Attempts are fenced off when they begin, not only when they return."""

from adapters.journal.migrations.files import execute_file

revision = "0006"
down_revision: str | None = "0005"


def upgrade() -> None:
    execute_file("0006_starts.sql")
