-- name: runs
SELECT status, owner, model, count(*), sum(input_tokens + cache_write_tokens + output_tokens)::bigint, sum(cost_usd)
FROM runs GROUP BY status, owner, model ORDER BY status, owner, model
