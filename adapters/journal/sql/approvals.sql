-- name: page
SELECT a.run_id, a.approval_id, asked.seq, asked.key, asked.at, asked.body::text, asked.blob,
    said.seq, said.key, said.at, said.body::text, said.blob
FROM approvals AS a
JOIN events AS asked ON asked.run_id = a.run_id AND asked.seq = a.requested_seq
LEFT JOIN events AS said ON said.run_id = a.run_id AND said.seq = a.decided_seq
WHERE (%(run_id)s::text IS NULL OR a.run_id = %(run_id)s)
    AND (%(status)s::text IS NULL
        OR (%(status)s = 'pending' AND a.decided_seq IS NULL AND NOT a.closed)
        OR (%(status)s = 'decided' AND a.decided_seq IS NOT NULL))
    AND (%(cursor_at)s::timestamptz IS NULL
        OR (a.requested_at, a.run_id, a.approval_id) < (%(cursor_at)s, %(cursor_run)s, %(cursor_id)s))
ORDER BY a.requested_at DESC, a.run_id DESC, a.approval_id DESC
LIMIT %(limit)s::bigint;
