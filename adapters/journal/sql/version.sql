-- name: present
SELECT version_num FROM alembic_version;

-- name: one_at_a_time
-- The number is any that no other program locks in this database.
SELECT pg_advisory_xact_lock(7303014201);
