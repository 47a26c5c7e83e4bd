"""In place of temporal-sql-tool: the same arguments, real databases, and of the schema its version alone."""

import argparse
import os
import subprocess
import sys

VERSIONED = "/etc/temporal/schema/postgresql/v12/"
TABLE = "create table if not exists schema_version (one int primary key default 1, curr_version text)"
SET = "insert into schema_version (curr_version) values ('{0}') on conflict (one) do update set curr_version = '{0}'"


def psql(given: argparse.Namespace, database: str, *statements: str) -> str:
    address = ["--host", given.ep, "--port", str(given.port), "--username", given.user, "--dbname", database]
    words = [word for statement in statements for word in ("--command", statement)]
    variables = {**os.environ, "PGPASSWORD": os.environ["SQL_PASSWORD"]}
    command = ["psql", *address, "--no-align", "--tuples-only", "--quiet", *words]
    done = subprocess.run(command, env=variables, capture_output=True, text=True)
    if done.returncode:
        sys.exit(done.stderr)
    return done.stdout.strip()


def main() -> None:
    parser = argparse.ArgumentParser(prog="temporal-sql-tool")
    for short, long in (("--pl", "--plugin"), ("--ep", "--endpoint"), ("-u", "--user"), ("--db", "--database")):
        parser.add_argument(short, long, dest=long.lstrip("-") if long != "--endpoint" else "ep", required=True)
    parser.add_argument("-p", "--port", type=int, required=True)
    verbs = parser.add_subparsers(dest="verb", required=True)
    verbs.add_parser("create")
    verbs.add_parser("setup-schema").add_argument("-v", dest="version", required=True)
    verbs.add_parser("update-schema").add_argument("-d", dest="directory", required=True)
    given = parser.parse_args()
    if given.plugin != "postgres12":
        sys.exit(f"no plugin {given.plugin}")
    if given.verb == "create":
        known = psql(given, "postgres", f"select 1 from pg_database where datname = '{given.database}'")
        if not known:
            psql(given, "postgres", f"create database {given.database}")
    elif given.verb == "setup-schema":
        psql(given, given.database, TABLE, SET.format(given.version))
    elif not given.directory.startswith(VERSIONED):
        sys.exit(f"no schema in {given.directory}")
    else:
        psql(given, given.database, SET.format("stand-in"))
    sys.stderr.write(f"{given.database}: {given.verb} done\n")


if __name__ == "__main__":
    main()
