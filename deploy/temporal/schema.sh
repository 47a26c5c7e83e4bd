#!/bin/sh
# Makes Temporal's two databases and brings their schemas to the version of this image. Safe to run again.
set -eu

for name in temporal visibility; do
    database=temporal
    [ "$name" = temporal ] || database="temporal_$name"
    tool() { temporal-sql-tool --plugin postgres12 --ep "$POSTGRES_SEEDS" -p 5432 -u "$POSTGRES_USER" --db "$database" "$@"; }
    tool create
    tool setup-schema -v 0.0
    tool update-schema -d "/etc/temporal/schema/postgresql/v12/$name/versioned"
done
echo "Temporal's databases are ready"
