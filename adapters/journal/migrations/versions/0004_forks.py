"""Forks: lineage, races, and the one transaction that a fork is."""

from adapters.journal.migrations.files import execute_file

revision = "0004"
down_revision: str | None = "0003"


def upgrade() -> None:
    execute_file("0004_forks.sql")
