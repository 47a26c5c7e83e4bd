-- name: append
SELECT key, seq, at, is_new, body, blob
FROM journal_append(
    %(run_id)s, %(keys)s::text[], %(types)s::text[], %(bodies)s::text[], %(blobs)s::text[], %(facts)s::text[]
);

-- name: start
SELECT key, seq, at, is_new, body, blob
FROM journal_start(
    %(run_id)s, %(generation)s::bigint,
    %(keys)s::text[], %(types)s::text[], %(bodies)s::text[], %(blobs)s::text[], %(facts)s::text[]
);

-- name: commit
SELECT key, seq, at, is_new, body, blob
FROM journal_commit(
    %(run_id)s, %(call)s, %(attempt)s::bigint, %(generation)s::bigint, %(started_from)s, %(snapshot)s::jsonb,
    %(key)s, %(type)s, %(body)s, %(blob)s, %(facts)s
);

-- name: find
SELECT seq, key, at, body::text, blob FROM events WHERE run_id = %(run_id)s AND key = %(key)s;

-- name: read
SELECT seq, key, at, body::text, blob FROM events
WHERE run_id = %(run_id)s AND seq > %(after)s::bigint ORDER BY seq LIMIT %(limit)s::bigint;

-- name: read_types
SELECT seq, key, at, body::text, blob FROM events
WHERE run_id = %(run_id)s AND seq > %(after)s::bigint AND type = ANY (%(types)s::text[])
ORDER BY seq LIMIT %(limit)s::bigint;

-- name: attempts
SELECT journal_newest_attempt(%(run_id)s, %(call)s), e.seq, e.key, e.at, e.body::text, e.blob
FROM (VALUES (1)) AS one
LEFT JOIN events AS e ON e.run_id = %(run_id)s AND e.key = %(call)s || '/returned';

-- name: state
SELECT status, seq FROM runs WHERE id = %(run_id)s;
