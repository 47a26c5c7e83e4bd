"""The weather of providers: waits that runs share."""

from adapters.journal.migrations.files import execute_file

revision = "0006"
down_revision: str | None = "0005"


def upgrade() -> None:
    execute_file("0006_weather.sql")
