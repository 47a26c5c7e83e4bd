-- name: keep
INSERT INTO setups (key, run_id) VALUES (%(key)s, %(run_id)s)
ON CONFLICT (key) DO UPDATE SET run_id = excluded.run_id, made_at = now();

-- name: find
SELECT e.run_id, e.seq, e.key, e.at, e.body::text, e.blob
FROM setups AS s JOIN events AS e ON e.run_id = s.run_id AND e.key = 'setup/call/0/returned'
WHERE s.key = %(key)s AND s.made_at > now() - make_interval(secs => %(seconds)s::double precision);
