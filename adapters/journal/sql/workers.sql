-- name: sign
WITH gone AS (DELETE FROM workers WHERE seen_at < now() - interval '1 day' AND id <> %(worker)s)
INSERT INTO workers (id, task_queue, seen_at) VALUES (%(worker)s, %(task_queue)s, now())
ON CONFLICT (id) DO UPDATE SET seen_at = now()
RETURNING id;

-- name: silence
SELECT extract(epoch FROM now() - max(seen_at))::float8 FROM workers WHERE task_queue = %(task_queue)s;

-- name: silent_hosts
SELECT split_part(id, '/', 1) FROM workers WHERE task_queue = %(task_queue)s
GROUP BY 1 HAVING max(seen_at) BETWEEN now() - interval '1 hour' AND now() - make_interval(secs => %(seconds)s);

-- name: stranded
SELECT r.id, w.host_id FROM runs r JOIN workspaces w ON w.run_id = r.id
WHERE r.status = 'running' AND r.updated_at < now() - make_interval(secs => %(seconds)s) AND w.host_id = ANY(%(hosts)s)
LIMIT %(limit)s;
