-- What runs have heard of the providers that they share: one row a place. An empty model means every model of the endpoint.
CREATE TABLE weather (
    endpoint text COLLATE "C" NOT NULL,
    model text COLLATE "C" NOT NULL,
    kind text NOT NULL,
    reason text NOT NULL,
    next_step text NOT NULL,
    -- The run that heard it first; others are kept from asking where `shared` is set.
    heard_by text NOT NULL,
    shared boolean NOT NULL,
    -- Refusals in a row: what was asked before `raised_at` and refused after it belongs to the same one.
    failures integer NOT NULL DEFAULT 0,
    raised_at timestamptz NOT NULL,
    until timestamptz NOT NULL,
    -- One run asks, and the others wait for what it hears.
    probed_until timestamptz,
    -- How many have been told to wait, so that they do not all come back at once.
    queued integer NOT NULL DEFAULT 0,
    PRIMARY KEY (endpoint, model)
) WITH (fillfactor = 50);

-- May a run ask? In fair weather one read; after a wait, one run at a time.
CREATE FUNCTION weather_enter(
    wanted_endpoint text, wanted_model text, probe_seconds double precision
) RETURNS TABLE (
    asked_at timestamptz, may_ask boolean, seconds double precision, queue integer, stands boolean,
    found_kind text, found_reason text, found_next_step text
)
LANGUAGE plpgsql AS $$
DECLARE
    place weather%ROWTYPE;
    blocking weather%ROWTYPE;
    moment timestamptz;
BEGIN
    IF NOT EXISTS (SELECT 1 FROM weather WHERE endpoint = wanted_endpoint AND model IN ('', wanted_model)) THEN
        RETURN QUERY SELECT clock_timestamp(), true, 0::double precision, 0, false, 'broken', '', '';
        RETURN;
    END IF;
    PERFORM 1 FROM weather WHERE endpoint = wanted_endpoint AND model IN ('', wanted_model) ORDER BY model FOR UPDATE;
    moment := clock_timestamp();
    FOR place IN
        SELECT * FROM weather
        WHERE endpoint = wanted_endpoint AND model IN ('', wanted_model) AND shared
            AND greatest(until, probed_until) > moment
        ORDER BY until
    LOOP
        blocking := place;
    END LOOP;
    IF blocking.endpoint IS NULL THEN
        UPDATE weather SET probed_until = moment + make_interval(secs => probe_seconds)
        WHERE endpoint = wanted_endpoint AND model IN ('', wanted_model) AND shared;
        RETURN QUERY SELECT moment, true, 0::double precision, 0, true, 'broken', '', '';
        RETURN;
    END IF;
    UPDATE weather SET queued = queued + 1 WHERE endpoint = blocking.endpoint AND model = blocking.model;
    RETURN QUERY SELECT moment, false,
        greatest(0, extract(epoch FROM blocking.until - moment))::double precision, blocking.queued + 1, true,
        blocking.kind, blocking.reason, blocking.next_step;
END $$;

-- A run was refused: until when it waits, and its place among those that do.
CREATE FUNCTION weather_raise(
    wanted_endpoint text, wanted_model text, new_kind text, new_reason text, new_next_step text, heard text,
    asked_at timestamptz, asked_seconds double precision, first_seconds double precision,
    longest_seconds double precision, jitter double precision, wide boolean
) RETURNS TABLE (seconds double precision, queue integer, is_shared boolean)
LANGUAGE plpgsql AS $$
DECLARE
    place weather%ROWTYPE;
    moment timestamptz := clock_timestamp();
BEGIN
    INSERT INTO weather (endpoint, model, kind, reason, next_step, heard_by, shared, raised_at, until)
    VALUES (wanted_endpoint, wanted_model, new_kind, new_reason, new_next_step, heard, wide, moment, moment)
    ON CONFLICT DO NOTHING;
    SELECT * INTO place FROM weather WHERE endpoint = wanted_endpoint AND model = wanted_model FOR UPDATE;
    moment := clock_timestamp();
    IF place.failures = 0 OR place.until < moment - interval '15 minutes' THEN
        -- Nobody asked since the last weather was over: this is another one.
        place.failures := 1;
        place.shared := wide;
        place.heard_by := heard;
        place.raised_at := moment;
        place.until := moment;
        place.queued := 0;
    ELSE
        place.shared := place.shared OR wide OR place.heard_by <> heard;
        IF asked_at > place.raised_at THEN
            place.failures := place.failures + 1;
            place.raised_at := moment;
            place.queued := 0;
        ELSE
            place.queued := place.queued + 1;
        END IF;
    END IF;
    place.until := greatest(place.until, moment + make_interval(secs => coalesce(
        asked_seconds, least(longest_seconds, first_seconds * 2 ^ least(place.failures - 1, 30)) * jitter
    )));
    UPDATE weather SET kind = new_kind, reason = new_reason, next_step = new_next_step, heard_by = place.heard_by,
        shared = place.shared, failures = place.failures, raised_at = place.raised_at, until = place.until,
        probed_until = NULL, queued = place.queued
    WHERE endpoint = wanted_endpoint AND model = wanted_model;
    RETURN QUERY SELECT extract(epoch FROM place.until - moment)::double precision, place.queued, place.shared;
END $$;
