#!/bin/sh
# Makes the namespace and the search attributes of Perdure. Safe to run again: what is there stays as it is.
set -eu

until timeout 5 temporal operator cluster health >/dev/null 2>&1; do
    tries=$((${tries:-0} + 1))
    [ "$tries" -le 60 ] || { echo "Temporal does not answer at $TEMPORAL_ADDRESS" >&2; exit 1; }
    sleep 1
done
temporal operator namespace describe --namespace "$TEMPORAL_NAMESPACE" >/dev/null 2>&1 ||
    temporal operator namespace create --namespace "$TEMPORAL_NAMESPACE" --retention "$RETENTION"

# A new namespace is known to the whole server after some seconds.
until known=$(temporal operator search-attribute list --namespace "$TEMPORAL_NAMESPACE" 2>/dev/null); do
    tries=$((${tries:-0} + 1))
    [ "$tries" -le 120 ] || { echo "the namespace $TEMPORAL_NAMESPACE does not come up" >&2; exit 1; }
    sleep 1
done
for name in RunStatus WaitingFor Agent Repository Owner ParentRun; do
    echo "$known" | grep -qw "$name" ||
        temporal operator search-attribute create --namespace "$TEMPORAL_NAMESPACE" --name "$name" --type Keyword
done
echo "the namespace $TEMPORAL_NAMESPACE is ready"
