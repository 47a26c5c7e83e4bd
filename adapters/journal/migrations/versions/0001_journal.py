"""The journal: runs, events, workspaces, approvals, idempotency, tokens."""

from adapters.journal.migrations.files import execute_file

revision = "0001"
down_revision: str | None = None


def upgrade() -> None:
    execute_file("0001_tables.sql")
    execute_file("0001_functions.sql")
