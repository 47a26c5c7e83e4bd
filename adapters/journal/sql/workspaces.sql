-- name: take
INSERT INTO workspaces (run_id, host_id, generation) VALUES (%(run_id)s, %(host_id)s, 1)
ON CONFLICT (run_id) DO UPDATE SET host_id = excluded.host_id, generation = workspaces.generation + 1
RETURNING run_id, host_id, generation, snapshot::text;

-- name: settle_base
UPDATE workspaces SET snapshot = coalesce(snapshot, %(base)s::jsonb)
WHERE run_id = %(run_id)s AND generation = %(generation)s::bigint
RETURNING snapshot::text;

-- name: lease
SELECT run_id, host_id, generation, snapshot::text FROM workspaces WHERE run_id = %(run_id)s;
