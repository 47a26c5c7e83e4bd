-- name: add
INSERT INTO tokens (hash, owner, role, name) VALUES (%(hash)s, %(owner)s, %(role)s, %(name)s)
ON CONFLICT (hash) DO UPDATE SET owner = excluded.owner, role = excluded.role, name = excluded.name;

-- name: owner
SELECT owner, role FROM tokens WHERE hash = %(hash)s;
