"""A turn is asked for by one attempt at a time, and none records its answer meanwhile."""

from adapters.journal.migrations.files import execute_file

revision = "0009"
down_revision: str | None = "0008"


def upgrade() -> None:
    execute_file("0009_askers.sql")
