-- Runs that are gone for good, for whoever collects what nobody refers to any more.
CREATE TABLE deletions (
    run_id text COLLATE "C" PRIMARY KEY,
    deleted_by text NOT NULL,
    deleted_at timestamptz NOT NULL DEFAULT clock_timestamp(),
    collected boolean NOT NULL DEFAULT false
);

CREATE INDEX deletions_uncollected ON deletions (deleted_at) WHERE NOT collected;

-- Removes all that is recorded of an ended run. Answers 'deleted', 'absent', or the status of a run that has not ended.
CREATE FUNCTION journal_delete(wanted_run text, deleting text) RETURNS text
LANGUAGE plpgsql AS $$
DECLARE
    run runs%ROWTYPE;
BEGIN
    SELECT * INTO run FROM runs WHERE id = wanted_run FOR UPDATE;
    IF NOT FOUND THEN
        RETURN 'absent';
    ELSIF run.status NOT IN ('completed', 'failed', 'cancelled') THEN
        RETURN run.status;
    END IF;
    DELETE FROM events WHERE run_id = wanted_run;
    DELETE FROM approvals WHERE run_id = wanted_run;
    DELETE FROM idempotency WHERE run_id = wanted_run;
    DELETE FROM workspaces WHERE run_id = wanted_run;
    DELETE FROM runs WHERE id = wanted_run;
    -- What a tree of runs shares goes with the last of them; what a month was charged stays.
    DELETE FROM accounts WHERE id = run.account AND NOT EXISTS (SELECT 1 FROM runs WHERE account = run.account);
    DELETE FROM races WHERE id = run.race AND NOT EXISTS (SELECT 1 FROM runs WHERE race = run.race);
    INSERT INTO deletions (run_id, deleted_by) VALUES (wanted_run, deleting) ON CONFLICT DO NOTHING;
    RETURN 'deleted';
END $$;
