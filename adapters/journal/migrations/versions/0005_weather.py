"""The weather of providers: waits that runs share."""

from adapters.journal.migrations.files import execute_file

revision = "0005"
down_revision: str | None = "0004"


def upgrade() -> None:
    execute_file("0005_weather.sql")
