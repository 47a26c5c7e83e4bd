-- name: sign
WITH gone AS (DELETE FROM workers WHERE seen_at < now() - interval '1 day' AND id <> %(worker)s)
INSERT INTO workers (id, task_queue, seen_at) VALUES (%(worker)s, %(task_queue)s, now())
ON CONFLICT (id) DO UPDATE SET seen_at = now()
RETURNING id;

-- name: silence
SELECT extract(epoch FROM now() - max(seen_at))::float8 FROM workers WHERE task_queue = %(task_queue)s;
