-- name: submit
SELECT run_id, outcome
FROM journal_submit(
    %(run_id)s, %(owner)s, %(agent)s, %(model)s, %(repository)s, %(labels)s::jsonb,
    %(idempotency_key)s, %(request_hash)s, %(body)s, %(blob)s, %(account)s
);

-- name: unstarted
SELECT id FROM runs
WHERE NOT started AND created_at < now() - make_interval(secs => %(seconds)s::double precision)
ORDER BY created_at, id LIMIT 1000;

-- name: one
SELECT r.id, r.created_at, r.updated_at, r.turn, r.input_tokens, r.cache_read_tokens, r.cache_write_tokens,
    r.output_tokens, r.reasoning_tokens, r.cost_usd, r.snapshot_id, e.seq, e.key, e.at, e.body::text, e.blob
FROM runs AS r
JOIN LATERAL (
    SELECT * FROM events
    WHERE run_id = r.id AND seq = ANY (ARRAY(SELECT value::bigint FROM jsonb_each_text(r.marks)))
) AS e ON true
WHERE r.id = %(run_id)s
ORDER BY e.seq;

-- name: page
WITH r AS (
    SELECT * FROM runs
    WHERE (%(status)s::text IS NULL OR status = %(status)s)
        AND (%(waiting_for)s::text IS NULL OR waiting_for = %(waiting_for)s)
        AND (%(agent)s::text IS NULL OR agent = %(agent)s)
        AND (%(repository)s::text IS NULL OR repository = %(repository)s)
        AND (%(owner)s::text IS NULL OR owner = %(owner)s)
        AND (%(parent)s::text IS NULL OR parent_run = %(parent)s)
        AND (%(labels)s::jsonb IS NULL OR labels @> %(labels)s::jsonb)
        AND (%(created_after)s::timestamptz IS NULL OR created_at > %(created_after)s)
        AND (%(created_before)s::timestamptz IS NULL OR created_at < %(created_before)s)
        AND (%(cursor_at)s::timestamptz IS NULL OR (created_at, id) < (%(cursor_at)s, %(cursor_id)s))
    ORDER BY created_at DESC, id DESC
    LIMIT %(limit)s::bigint
)
SELECT r.id, r.created_at, r.updated_at, r.turn, r.input_tokens, r.cache_read_tokens, r.cache_write_tokens,
    r.output_tokens, r.reasoning_tokens, r.cost_usd, r.snapshot_id, e.seq, e.key, e.at, e.body::text, e.blob
FROM r
JOIN LATERAL (
    SELECT * FROM events
    WHERE run_id = r.id AND seq = ANY (ARRAY(SELECT value::bigint FROM jsonb_each_text(r.marks)))
) AS e ON true
ORDER BY r.created_at DESC, r.id DESC, e.seq;
