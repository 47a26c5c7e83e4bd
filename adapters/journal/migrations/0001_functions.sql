-- Each function is one round trip and one transaction. The events to record come as arrays of equal length; `facts` are
-- what an event, if it is new, does to the columns of its run (adapters/journal/facts.py says which there are).

CREATE TYPE journal_entry AS (key text, seq bigint, at timestamptz, is_new boolean, body text, blob text);

-- What one new event does to the row of its run.
CREATE FUNCTION journal_fold(run runs, seq bigint, facts jsonb) RETURNS runs
LANGUAGE plpgsql AS $$
BEGIN
    IF facts ? 'status' THEN
        run.said_status := facts ->> 'status';
        run.said_waiting_for := facts ->> 'waiting_for';
    END IF;
    run.started := run.started OR facts ? 'started';
    run.refused := coalesce((facts ->> 'refused')::boolean, run.refused);
    run.snapshot_id := coalesce(facts ->> 'snapshot_id', run.snapshot_id);
    IF facts ? 'turn' THEN
        run.turn := greatest(run.turn, (facts ->> 'turn')::integer);
        run.cost_usd := run.cost_usd + (facts ->> 'cost_usd')::double precision;
        run.input_tokens := run.input_tokens + (facts ->> 'input_tokens')::bigint;
        run.cache_read_tokens := run.cache_read_tokens + (facts ->> 'cache_read_tokens')::bigint;
        run.cache_write_tokens := run.cache_write_tokens + (facts ->> 'cache_write_tokens')::bigint;
        run.output_tokens := run.output_tokens + (facts ->> 'output_tokens')::bigint;
        run.reasoning_tokens := run.reasoning_tokens + (facts ->> 'reasoning_tokens')::bigint;
    END IF;
    IF facts ? 'unmarks' THEN
        run.marks := run.marks - ARRAY(SELECT jsonb_array_elements_text(facts -> 'unmarks'));
    END IF;
    IF facts ? 'marks' THEN
        run.marks := run.marks
            || (SELECT jsonb_object_agg(name, seq) FROM jsonb_array_elements_text(facts -> 'marks') AS name);
    END IF;
    IF facts ? 'first_mark' AND NOT run.marks ? (facts ->> 'first_mark') THEN
        run.marks := run.marks || jsonb_build_object(facts ->> 'first_mark', seq);
    END IF;
    RETURN run;
END $$;

-- The inbox, kept in step.
CREATE FUNCTION journal_project(wanted_run text, event_seq bigint, event_at timestamptz, facts jsonb) RETURNS void
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
    END IF;
END $$;

-- Records what is new, and answers with what stands under each key. Raises no_data_found for an unknown run.
CREATE FUNCTION journal_append(
    wanted_run text, keys text[], types text[], bodies text[], blobs text[], facts text[]
) RETURNS SETOF journal_entry
LANGUAGE plpgsql AS $$
DECLARE
    run runs%ROWTYPE;
    before bigint;
    moment timestamptz;
    fact jsonb;
BEGIN
    SELECT * INTO run FROM runs WHERE id = wanted_run FOR NO KEY UPDATE;
    IF NOT FOUND THEN
        RAISE no_data_found USING MESSAGE = 'no such run';
    END IF;
    before := run.seq;
    moment := greatest(clock_timestamp(), run.updated_at);
    FOR i IN 1 .. cardinality(keys) LOOP
        INSERT INTO events (run_id, seq, key, at, type, body, blob)
        VALUES (wanted_run, run.seq + 1, keys[i], moment, types[i], bodies[i]::json, blobs[i])
        ON CONFLICT (run_id, key) DO NOTHING;
        IF FOUND THEN
            run.seq := run.seq + 1;
            IF facts[i] IS NOT NULL THEN
                fact := facts[i]::jsonb;
                run := journal_fold(run, run.seq, fact);
                IF fact ?| ARRAY['requested', 'decided', 'ended'] THEN
                    PERFORM journal_project(wanted_run, run.seq, moment, fact);
                END IF;
            END IF;
        END IF;
    END LOOP;
    IF run.seq > before THEN
        UPDATE runs SET (
            seq, updated_at, started, said_status, said_waiting_for, refused, turn, input_tokens, cache_read_tokens,
            cache_write_tokens, output_tokens, reasoning_tokens, cost_usd, snapshot_id, marks
        ) = (
            run.seq, moment, run.started, run.said_status, run.said_waiting_for, run.refused, run.turn,
            run.input_tokens, run.cache_read_tokens, run.cache_write_tokens, run.output_tokens, run.reasoning_tokens,
            run.cost_usd, run.snapshot_id, run.marks
        ) WHERE id = wanted_run;
        PERFORM pg_notify('perdure_events', wanted_run);
    END IF;
    RETURN QUERY
        SELECT e.key, e.seq, e.at, e.seq > before, CASE WHEN e.seq > before THEN NULL ELSE e.body::text END, e.blob
        FROM events AS e WHERE e.run_id = wanted_run AND e.key = ANY (keys);
END $$;

-- The newest attempt of a call; 0 where none was started.
CREATE FUNCTION journal_newest_attempt(wanted_run text, call text) RETURNS bigint
LANGUAGE sql STABLE AS $$
    -- '0' is the character after '/': the range is every key that begins with `<call>/started/`.
    SELECT coalesce(max(substr(key, length(call) + 10)::bigint), 0) FROM events
    WHERE run_id = wanted_run AND key > call || '/started/' AND key < call || '/started0';
$$;

-- The commit of a call. Answers with nothing where it is fenced off.
CREATE FUNCTION journal_commit(
    wanted_run text, call text, attempt bigint, wanted_generation bigint, started_from text, new_snapshot jsonb,
    event_key text, event_type text, body text, blob text, facts text
) RETURNS SETOF journal_entry
LANGUAGE plpgsql AS $$
DECLARE
    workspace workspaces%ROWTYPE;
BEGIN
    PERFORM 1 FROM runs WHERE id = wanted_run FOR NO KEY UPDATE;
    IF NOT EXISTS (SELECT 1 FROM events WHERE run_id = wanted_run AND key = event_key) THEN
        SELECT * INTO workspace FROM workspaces WHERE run_id = wanted_run FOR NO KEY UPDATE;
        IF workspace.generation IS DISTINCT FROM wanted_generation
            OR workspace.snapshot ->> 'id' IS DISTINCT FROM started_from
            OR journal_newest_attempt(wanted_run, call) <> attempt
        THEN
            -- An unknown run is an error, not a fence.
            IF EXISTS (SELECT 1 FROM runs WHERE id = wanted_run) THEN
                RETURN;
            END IF;
        ELSIF new_snapshot ->> 'id' <> started_from THEN
            UPDATE workspaces SET snapshot = new_snapshot WHERE run_id = wanted_run;
        END IF;
    END IF;
    RETURN QUERY SELECT * FROM journal_append(
        wanted_run, ARRAY[event_key], ARRAY[event_type], ARRAY[body], ARRAY[blob], ARRAY[facts]
    );
END $$;

-- A new run. Its outcome is 'new', 'known' (the same request came before) or 'conflict' (another body came before).
CREATE FUNCTION journal_submit(
    new_run text, new_owner text, new_agent text, new_model text, new_repository text, new_labels jsonb,
    idempotency_key text, new_hash text, new_body text, new_blob text
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
    INSERT INTO runs (id, owner, agent, model, repository, labels, created_at, updated_at, seq, marks)
    VALUES (new_run, new_owner, new_agent, new_model, new_repository, new_labels, moment, moment, 1, '{"submitted": 1}')
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
