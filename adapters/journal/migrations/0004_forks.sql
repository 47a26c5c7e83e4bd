-- Where a run branched off another one, and the race that it runs in.
ALTER TABLE runs
    ADD COLUMN parent_run text COLLATE "C",
    ADD COLUMN forked_at text,
    ADD COLUMN root text COLLATE "C",
    ADD COLUMN race text COLLATE "C";

CREATE INDEX runs_by_parent ON runs (parent_run, created_at DESC, id DESC) WHERE parent_run IS NOT NULL;
CREATE INDEX runs_by_race ON runs (race, id) WHERE race IS NOT NULL;

CREATE TABLE races (
    id text COLLATE "C" PRIMARY KEY,
    -- The first whose checks passed.
    winner text COLLATE "C"
);

-- The parent's events up to a point, under their keys, numbered from 2; how many there are. A message is renamed: what
-- people call theirs must not meet what they called one to the parent. Checks return too, but are not taken over.
CREATE FUNCTION journal_carry(new_run text, parent text, upto bigint, carried text[]) RETURNS bigint
LANGUAGE plpgsql AS $$
DECLARE
    count bigint;
BEGIN
    INSERT INTO events (run_id, seq, key, at, type, body, blob)
    SELECT new_run, kept.place,
        CASE WHEN kept.type = 'message_received' THEN 'message/forked/' || kept.place ELSE kept.key END,
        kept.at, kept.type, kept.body, kept.blob
    FROM (
        SELECT 1 + row_number() OVER (ORDER BY e.seq) AS place, e.key, e.at, e.type, e.body, e.blob
        FROM events AS e
        WHERE e.run_id = parent AND e.seq <= upto AND e.type = ANY (carried) AND e.key NOT LIKE 'verify/%'
    ) AS kept;
    GET DIAGNOSTICS count = ROW_COUNT;
    RETURN count;
END $$;

-- Submits a run that goes on where another one stood: in one transaction. `wanted` holds parent, at, root, race, upto,
-- answered, snapshot, limits, spent, carried (types), marks (key of an event by mark), and for a rewind superseded (body
-- and facts).
CREATE FUNCTION journal_fork(
    new_run text, new_owner text, new_agent text, new_model text, new_repository text, new_labels jsonb,
    idempotency_key text, new_hash text, new_body text, new_blob text, comes_of text, wanted jsonb,
    keys text[], types text[], bodies text[], blobs text[], facts text[]
) RETURNS TABLE (run_id text, outcome text)
LANGUAGE plpgsql AS $$
DECLARE
    submitted record;
    copied bigint;
    of_parent text := wanted ->> 'parent';
BEGIN
    PERFORM 1 FROM runs WHERE id = of_parent FOR KEY SHARE;
    IF NOT FOUND THEN
        RAISE no_data_found USING MESSAGE = 'no such run';
    END IF;
    SELECT s.run_id, s.outcome INTO submitted FROM journal_submit(
        new_run, new_owner, new_agent, new_model, new_repository, new_labels, idempotency_key, new_hash, new_body,
        new_blob, comes_of
    ) AS s;
    IF submitted.outcome = 'new' THEN
        INSERT INTO races (id) SELECT wanted ->> 'race' WHERE wanted ->> 'race' IS NOT NULL ON CONFLICT DO NOTHING;
        copied := journal_carry(
            new_run, of_parent, (wanted ->> 'upto')::bigint,
            ARRAY(SELECT jsonb_array_elements_text(wanted -> 'carried'))
        );
        UPDATE runs SET
            seq = 1 + copied,
            turn = (wanted ->> 'answered')::integer,
            snapshot_id = wanted -> 'snapshot' ->> 'id',
            parent_run = of_parent,
            forked_at = wanted ->> 'at',
            root = wanted ->> 'root',
            race = wanted ->> 'race',
            marks = marks || coalesce((
                SELECT jsonb_object_agg(mark.key, e.seq)
                FROM jsonb_each_text(wanted -> 'marks') AS mark
                JOIN events AS e ON e.run_id = new_run AND e.key = mark.value
            ), '{}')
        WHERE id = new_run;
        -- What was spent up to that point counts; the runs of a race share one account.
        INSERT INTO accounts (id, turns, tokens, cost_usd, spent_turns, spent_tokens, spent_cost_usd)
        SELECT r.account, (wanted #>> '{limits,turns}')::bigint, (wanted #>> '{limits,tokens}')::bigint,
            (wanted #>> '{limits,cost_usd}')::numeric, (wanted #>> '{spent,turns}')::bigint,
            (wanted #>> '{spent,tokens}')::bigint, (wanted #>> '{spent,cost_usd}')::numeric
        FROM runs AS r WHERE r.id = new_run
        ON CONFLICT DO NOTHING;
        INSERT INTO workspaces (run_id, host_id, generation, snapshot)
        VALUES (new_run, '', 0, wanted -> 'snapshot');
        PERFORM journal_append(new_run, keys, types, bodies, blobs, facts);
        IF wanted ? 'superseded' THEN
            PERFORM journal_append(
                of_parent, ARRAY['superseded/' || new_run], ARRAY['run_superseded'],
                ARRAY[wanted #>> '{superseded,body}'], ARRAY[NULL::text], ARRAY[wanted #>> '{superseded,facts}']
            );
        END IF;
    END IF;
    RETURN QUERY SELECT submitted.run_id, submitted.outcome;
END $$;

-- Who has won a race, or wins it by asking with `claims`; and all others that run in it.
CREATE FUNCTION journal_race(wanted_race text, asking text, claims boolean) RETURNS TABLE (winner text, rivals text[])
LANGUAGE plpgsql AS $$
BEGIN
    IF claims THEN
        UPDATE races AS r SET winner = asking WHERE r.id = wanted_race AND r.winner IS NULL;
    END IF;
    RETURN QUERY SELECT
        (SELECT r.winner FROM races AS r WHERE r.id = wanted_race),
        ARRAY(SELECT id FROM runs WHERE race = wanted_race AND id <> asking ORDER BY id);
END $$;
