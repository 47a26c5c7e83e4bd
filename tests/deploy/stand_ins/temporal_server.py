"""In place of temporalio/server: it wants what that wants (a prepared Postgres, a dynamic configuration), and then
speaks the same protocol as Temporal's development server, which keeps its state in a file of its own."""

import json
import os
import re
import subprocess
import sys
from pathlib import Path

DATABASES = ("temporal", "temporal_visibility")


def prepared_version(database: str) -> str:
    """What the schema tool has left in Postgres."""
    given = {**os.environ, "PGPASSWORD": os.environ["POSTGRES_PWD"]}
    server = ["--host", os.environ["POSTGRES_SEEDS"], "--port", os.environ["DB_PORT"]]
    account = ["--username", os.environ["POSTGRES_USER"], "--dbname", database, "--no-align", "--tuples-only"]
    query = "select curr_version from schema_version"
    done = subprocess.run(["psql", *server, *account, "--command", query], env=given, capture_output=True, text=True)
    if done.returncode or not done.stdout.strip():
        sys.exit(f"the schema tool has not prepared {database}: {done.stderr.strip() or 'no version'}")
    return done.stdout.strip()


def dynamic_settings() -> list[str]:
    """Of one form only: `name: [{value: x}]`, a line each."""
    text = Path(os.environ["DYNAMIC_CONFIG_FILE_PATH"]).read_text()
    found = re.findall(r"^([\w.]+): \[\{value: (\w+)\}\]$", text, re.MULTILINE)
    return [
        f"{name}={value if re.fullmatch(r'true|false|[0-9]+', value) else json.dumps(value)}" for name, value in found
    ]


def main() -> None:
    if os.environ["DB"] != "postgres12":
        sys.exit(f"no plugin for DB={os.environ['DB']}")
    for database in DATABASES:
        sys.stderr.write(f"{database} is of version {prepared_version(database)}\n")
    command = ["temporal", "server", "start-dev", "--ip", os.environ["BIND_ON_IP"], "--port", "7233"]
    command += ["--ui-ip", "0.0.0.0", "--ui-port", "8233", "--log-level", os.environ.get("LOG_LEVEL", "info")]
    # A restart of the container keeps it.
    command += ["--db-filename", "/opt/temporal.db"]
    for setting in dynamic_settings():
        command += ["--dynamic-config-value", setting]
    os.execvp("temporal", command)


if __name__ == "__main__":
    main()
