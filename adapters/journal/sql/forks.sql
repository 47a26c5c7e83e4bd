-- name: fork
SELECT run_id, outcome
FROM journal_fork(
    %(run_id)s, %(owner)s, %(agent)s, %(model)s, %(repository)s, %(labels)s::jsonb,
    %(idempotency_key)s, %(request_hash)s, %(body)s, %(blob)s, %(account)s, %(wanted)s::jsonb,
    %(keys)s::text[], %(types)s::text[], %(bodies)s::text[], %(blobs)s::text[], %(facts)s::text[]
);

-- name: race
SELECT winner, rivals FROM journal_race(%(race)s, %(run_id)s, %(claims)s::boolean);
