-- Like journal_append, for the start of an attempt: answers with nothing where the workspace was opened again since, so
-- that whoever comes back from where it hung shuts nobody out. Locks in the order of journal_commit.
CREATE FUNCTION journal_start(
    wanted_run text, wanted_generation bigint, keys text[], types text[], bodies text[], blobs text[], facts text[]
) RETURNS SETOF journal_entry
LANGUAGE plpgsql AS $$
BEGIN
    PERFORM 1 FROM runs WHERE id = wanted_run FOR NO KEY UPDATE;
    IF EXISTS (SELECT 1 FROM workspaces WHERE run_id = wanted_run AND generation <> wanted_generation) THEN
        RETURN;
    END IF;
    RETURN QUERY SELECT * FROM journal_append(wanted_run, keys, types, bodies, blobs, facts);
END $$;
