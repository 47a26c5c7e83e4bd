-- Limits as admission. A run and all that come of it share one account, that of the run at the root.
ALTER TABLE runs ADD COLUMN account text COLLATE "C";
UPDATE runs SET account = id;
ALTER TABLE runs ALTER COLUMN account SET NOT NULL;
CREATE INDEX runs_by_account ON runs (account);

-- A bound that is null does not bind. A row is made by the first call of its tree.
CREATE TABLE accounts (
    id text COLLATE "C" PRIMARY KEY,
    turns bigint,
    tokens bigint,
    cost_usd numeric,
    spent_turns bigint NOT NULL DEFAULT 0,
    spent_tokens bigint NOT NULL DEFAULT 0,
    spent_cost_usd numeric NOT NULL DEFAULT 0,
    unpriced text[] NOT NULL DEFAULT '{}'
) WITH (fillfactor = 50);

-- Bounds here are those that an admin raised; the site's file says the others.
CREATE TABLE months (
    team text NOT NULL,
    month date NOT NULL,
    tokens bigint,
    cost_usd numeric,
    spent_turns bigint NOT NULL DEFAULT 0,
    spent_tokens bigint NOT NULL DEFAULT 0,
    spent_cost_usd numeric NOT NULL DEFAULT 0,
    PRIMARY KEY (team, month)
) WITH (fillfactor = 50);

-- What calls that are being made may use at worst.
CREATE TABLE reservations (
    run_id text COLLATE "C" NOT NULL REFERENCES runs (id) ON DELETE CASCADE,
    key text COLLATE "C" NOT NULL,
    attempt integer NOT NULL,
    account text COLLATE "C" NOT NULL,
    team text NOT NULL,
    month date NOT NULL,
    turns bigint NOT NULL,
    tokens bigint NOT NULL,
    cost_usd numeric NOT NULL,
    made_at timestamptz NOT NULL DEFAULT clock_timestamp(),
    PRIMARY KEY (run_id, key)
);

CREATE INDEX reservations_by_account ON reservations (account);
CREATE INDEX reservations_by_month ON reservations (team, month);

-- Those that still hold: an attempt lasts 20 minutes at most, so what is older was left by one that nobody tried again.
CREATE VIEW live_reservations AS
    SELECT * FROM reservations WHERE made_at > clock_timestamp() - interval '30 minutes';

-- The inbox, kept in step; a run that ended makes no more calls.
CREATE OR REPLACE FUNCTION journal_project(wanted_run text, event_seq bigint, event_at timestamptz, facts jsonb)
RETURNS void
LANGUAGE plpgsql AS $$
BEGIN
    IF facts ? 'requested' THEN
        INSERT INTO approvals (run_id, approval_id, requested_at, requested_seq)
        VALUES (wanted_run, facts ->> 'requested', event_at, event_seq) ON CONFLICT DO NOTHING;
    ELSIF facts ? 'decided' THEN
        UPDATE approvals SET decided_at = event_at, decided_seq = event_seq
        WHERE run_id = wanted_run AND approval_id = facts ->> 'decided' AND decided_seq IS NULL;
    ELSIF facts ? 'ended' THEN
        UPDATE approvals SET closed = true WHERE run_id = wanted_run AND decided_seq IS NULL;
        DELETE FROM reservations WHERE run_id = wanted_run;
    END IF;
END $$;

DROP FUNCTION journal_submit(text, text, text, text, text, jsonb, text, text, text, text);

-- A new run, on its own account unless it comes of another run: `comes_of` is any of the tree. Its outcome is 'new',
-- 'known' (the same request came before) or 'conflict' (another body came before).
CREATE FUNCTION journal_submit(
    new_run text, new_owner text, new_agent text, new_model text, new_repository text, new_labels jsonb,
    idempotency_key text, new_hash text, new_body text, new_blob text, comes_of text
) RETURNS TABLE (run_id text, outcome text)
LANGUAGE plpgsql AS $$
DECLARE
    moment timestamptz := clock_timestamp();
    known idempotency%ROWTYPE;
BEGIN
    IF idempotency_key IS NOT NULL THEN
        INSERT INTO idempotency (owner, key, request_hash, run_id)
        VALUES (new_owner, idempotency_key, new_hash, new_run) ON CONFLICT DO NOTHING;
        IF NOT FOUND THEN
            SELECT * INTO known FROM idempotency WHERE owner = new_owner AND key = idempotency_key;
            RETURN QUERY SELECT known.run_id,
                CASE WHEN known.request_hash = new_hash THEN 'known' ELSE 'conflict' END;
            RETURN;
        END IF;
    END IF;
    INSERT INTO runs (id, owner, agent, model, repository, labels, created_at, updated_at, seq, marks, account)
    VALUES (
        new_run, new_owner, new_agent, new_model, new_repository, new_labels, moment, moment, 1, '{"submitted": 1}',
        coalesce((SELECT r.account FROM runs AS r WHERE r.id = comes_of), comes_of, new_run)
    )
    ON CONFLICT DO NOTHING;
    IF NOT FOUND THEN
        RETURN QUERY SELECT new_run, CASE WHEN EXISTS (
            SELECT 1 FROM events AS e WHERE e.run_id = new_run AND e.key = 'submitted'
                AND e.body::text IS NOT DISTINCT FROM new_body AND e.blob IS NOT DISTINCT FROM new_blob
        ) THEN 'known' ELSE 'conflict' END;
        RETURN;
    END IF;
    INSERT INTO events (run_id, seq, key, at, type, body, blob)
    VALUES (new_run, 1, 'submitted', moment, 'run_submitted', new_body::json, new_blob);
    PERFORM pg_notify('perdure_events', new_run);
    RETURN QUERY SELECT new_run, 'new';
END $$;
