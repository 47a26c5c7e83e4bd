-- name: delete
SELECT journal_delete(%(run_id)s, %(by)s);

-- name: expired
SELECT id FROM runs
WHERE status IN ('completed', 'failed', 'cancelled')
    AND updated_at < now() - make_interval(secs => %(seconds)s::double precision)
ORDER BY updated_at, id LIMIT %(limit)s::bigint;

-- name: runs
SELECT id FROM runs WHERE id > %(after)s ORDER BY id LIMIT %(limit)s::bigint;

-- name: references
-- Whatever looks like an address is one: to keep too much costs room, to keep too little costs a run.
SELECT DISTINCT blob, true FROM events WHERE run_id = ANY (%(run_ids)s::text[]) AND blob IS NOT NULL
UNION ALL
SELECT DISTINCT found[1], false
FROM events, regexp_matches(body::text, '[0-9a-f]{64}', 'g') AS found
WHERE run_id = ANY (%(run_ids)s::text[])
UNION ALL
SELECT DISTINCT found[1], false
FROM workspaces, regexp_matches(snapshot::text, '[0-9a-f]{64}', 'g') AS found
WHERE run_id = ANY (%(run_ids)s::text[]);

-- name: uncollected
SELECT count(*) FROM deletions WHERE NOT collected;

-- name: collected
UPDATE deletions SET collected = true
WHERE NOT collected AND deleted_at < now() - make_interval(secs => %(seconds)s::double precision);
