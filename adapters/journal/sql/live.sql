-- name: send
SELECT pg_notify('perdure_live', payload) FROM unnest(%(payloads)s::text[]) AS payload;

-- name: check
SELECT 1;
