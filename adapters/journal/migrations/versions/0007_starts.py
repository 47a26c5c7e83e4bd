"""Attempts are fenced off when they begin, not only when they return."""

from adapters.journal.migrations.files import execute_file

revision = "0007"
down_revision: str | None = "0006"


def upgrade() -> None:
    execute_file("0007_starts.sql")
