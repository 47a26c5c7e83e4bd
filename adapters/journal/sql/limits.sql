-- name: admit
SELECT verdict, scope, limit_name, account::text, month::text
FROM limits_admit(
    %(run_id)s, %(key)s, %(attempt)s::integer, %(tokens)s::bigint, %(cost_usd)s::numeric, %(first)s::jsonb, %(unpriced)s,
    %(team)s, %(month)s::date, %(team_bounds)s::jsonb, %(asker)s, %(asking_seconds)s::double precision
);

-- name: settle
SELECT key, seq, at, is_new, body, blob
FROM limits_settle(
    %(run_id)s, %(key)s, %(tokens)s::bigint, %(cost_usd)s::numeric, %(team)s, %(month)s::date,
    %(keys)s::text[], %(types)s::text[], %(bodies)s::text[], %(blobs)s::text[], %(facts)s::text[], %(asker)s
);

-- name: release
DELETE FROM reservations
WHERE run_id = %(run_id)s AND key = %(key)s AND attempt = %(attempt)s::integer AND asker = %(asker)s;

-- name: raise
SELECT limits_raise(%(run_id)s, %(bounds)s::jsonb, %(exactly)s)::text;

-- name: raise_month
SELECT limits_raise_month(%(team)s, %(month)s::date, %(bounds)s::jsonb, %(exactly)s)::text;

-- name: account
SELECT limits_account(a)::text FROM accounts AS a WHERE a.id = (SELECT account FROM runs WHERE id = %(run_id)s);

-- name: months
SELECT limits_month(m)::text FROM months AS m WHERE m.month = %(month)s::date ORDER BY m.team;

-- name: waiting
SELECT p.run_id, p.approval_id
FROM approvals AS p JOIN runs AS r ON r.id = p.run_id
WHERE p.decided_seq IS NULL AND NOT p.closed AND p.run_id <> %(run_id)s AND starts_with(p.approval_id, 'limit/')
    AND r.account = (SELECT account FROM runs WHERE id = %(run_id)s)
ORDER BY p.requested_at LIMIT 100;
