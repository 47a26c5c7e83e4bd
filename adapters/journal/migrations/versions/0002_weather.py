"""The weather of providers: waits that runs share."""

from adapters.journal.migrations.files import execute_file

revision = "0002"
down_revision: str | None = "0001"


def upgrade() -> None:
    execute_file("0002_weather.sql")
