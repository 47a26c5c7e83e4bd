"""Workers say that they live: where none does, that is why a run stands still."""

from adapters.journal.migrations.files import execute_file

revision = "0008"
down_revision: str | None = "0007"


def upgrade() -> None:
    execute_file("0008_workers.sql")
