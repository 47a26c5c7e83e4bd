"""Setup commands whose effect later runs take over."""

from adapters.journal.migrations.files import execute_file

revision = "0002"
down_revision: str | None = "0001"


def upgrade() -> None:
    execute_file("0002_setups.sql")
