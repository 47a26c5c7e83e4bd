-- Null where one more call may be made: it fits beside all that are being made, or it is alone and something is left.
-- So a bound is passed by one call at most, and that call cannot be one of several.
CREATE FUNCTION limits_verdict(most numeric, spent numeric, reserved numeric, wanted numeric) RETURNS text
LANGUAGE sql IMMUTABLE AS $$
    SELECT CASE
        WHEN spent >= most THEN 'used_up'
        WHEN reserved > 0 AND spent + reserved + wanted > most THEN 'held'
    END;
$$;

CREATE FUNCTION limits_account(wanted accounts) RETURNS jsonb
LANGUAGE sql STABLE AS $$
    SELECT jsonb_build_object(
        'account_id', wanted.id,
        'bounds', jsonb_build_object('turns', wanted.turns, 'tokens', wanted.tokens, 'cost_usd', wanted.cost_usd),
        'spent', jsonb_build_object(
            'turns', wanted.spent_turns, 'tokens', wanted.spent_tokens, 'cost_usd', wanted.spent_cost_usd
        ),
        'reserved', jsonb_build_object(
            'turns', coalesce(sum(turns), 0), 'tokens', coalesce(sum(tokens), 0), 'cost_usd', coalesce(sum(cost_usd), 0)
        ),
        'unpriced', to_jsonb(wanted.unpriced)
    ) FROM live_reservations WHERE account = wanted.id;
$$;

CREATE FUNCTION limits_month(wanted months) RETURNS jsonb
LANGUAGE sql STABLE AS $$
    SELECT jsonb_build_object(
        'team', wanted.team,
        'month', wanted.month,
        'bounds', jsonb_build_object('tokens', wanted.tokens, 'cost_usd', wanted.cost_usd),
        'spent', jsonb_build_object(
            'turns', wanted.spent_turns, 'tokens', wanted.spent_tokens, 'cost_usd', wanted.spent_cost_usd
        ),
        'reserved', jsonb_build_object(
            'turns', coalesce(sum(turns), 0), 'tokens', coalesce(sum(tokens), 0), 'cost_usd', coalesce(sum(cost_usd), 0)
        )
    ) FROM live_reservations WHERE team = wanted.team AND month = wanted.month;
$$;

-- The row of an account, locked; made where this is its first call. Raises no_data_found for an unknown run.
CREATE FUNCTION limits_lock_account(wanted_run text, first jsonb) RETURNS accounts
LANGUAGE plpgsql AS $$
DECLARE
    found_account accounts%ROWTYPE;
    wanted_account text;
BEGIN
    SELECT account INTO wanted_account FROM runs WHERE id = wanted_run;
    IF NOT FOUND THEN
        RAISE no_data_found USING MESSAGE = 'no such run';
    END IF;
    SELECT * INTO found_account FROM accounts WHERE id = wanted_account FOR NO KEY UPDATE;
    IF NOT FOUND THEN
        INSERT INTO accounts (id, turns, tokens, cost_usd, spent_turns, spent_tokens, spent_cost_usd)
        SELECT wanted_account, (first ->> 'turns')::bigint, (first ->> 'tokens')::bigint, (first ->> 'cost_usd')::numeric,
            coalesce(max(turn), 0), coalesce(sum(input_tokens + cache_write_tokens + output_tokens), 0),
            coalesce(sum(cost_usd), 0)::numeric
        FROM runs WHERE id = wanted_account
        ON CONFLICT DO NOTHING;
        SELECT * INTO STRICT found_account FROM accounts WHERE id = wanted_account FOR NO KEY UPDATE;
    END IF;
    RETURN found_account;
END $$;

CREATE FUNCTION limits_lock_month(wanted_team text, wanted_month date) RETURNS months
LANGUAGE plpgsql AS $$
DECLARE
    found_month months%ROWTYPE;
BEGIN
    SELECT * INTO found_month FROM months WHERE team = wanted_team AND month = wanted_month FOR NO KEY UPDATE;
    IF NOT FOUND THEN
        INSERT INTO months (team, month) VALUES (wanted_team, wanted_month) ON CONFLICT DO NOTHING;
        SELECT * INTO STRICT found_month FROM months
        WHERE team = wanted_team AND month = wanted_month FOR NO KEY UPDATE;
    END IF;
    RETURN found_month;
END $$;

-- Reserves the worst case of one call, or says which limit refuses it. Rows are locked in the order run, account, month
-- everywhere. Whoever asks again under the same key replaces what it has reserved, so that a crash reserves nothing twice.
CREATE FUNCTION limits_admit(
    wanted_run text, wanted_key text, wanted_attempt integer, wanted_tokens bigint, wanted_cost numeric, first jsonb,
    unpriced_model text, wanted_team text, wanted_month date, team_bounds jsonb
) RETURNS TABLE (verdict text, scope text, limit_name text, account jsonb, month jsonb)
LANGUAGE plpgsql AS $$
DECLARE
    ours accounts%ROWTYPE;
    theirs months%ROWTYPE;
    of_ours jsonb;
    of_theirs jsonb;
    refusal record;
BEGIN
    ours := limits_lock_account(wanted_run, first);
    theirs := limits_lock_month(wanted_team, wanted_month);
    DELETE FROM reservations AS r WHERE r.run_id = wanted_run AND r.key = wanted_key;
    of_ours := limits_account(ours) -> 'reserved';
    of_theirs := limits_month(theirs) -> 'reserved';
    SELECT v.* INTO refusal FROM (VALUES
        (1, 'run', 'turns', limits_verdict(ours.turns, ours.spent_turns, (of_ours ->> 'turns')::numeric, 1)),
        (2, 'run', 'tokens',
            limits_verdict(ours.tokens, ours.spent_tokens, (of_ours ->> 'tokens')::numeric, wanted_tokens)),
        (3, 'run', 'cost_usd',
            limits_verdict(ours.cost_usd, ours.spent_cost_usd, (of_ours ->> 'cost_usd')::numeric, wanted_cost)),
        -- What an admin raised holds where it is higher; without a bound of the site there is none.
        (4, 'team', 'tokens', limits_verdict(
            CASE WHEN team_bounds ->> 'tokens' IS NOT NULL
                THEN greatest((team_bounds ->> 'tokens')::numeric, theirs.tokens) END,
            theirs.spent_tokens, (of_theirs ->> 'tokens')::numeric, wanted_tokens)),
        (5, 'team', 'cost_usd', limits_verdict(
            CASE WHEN team_bounds ->> 'cost_usd' IS NOT NULL
                THEN greatest((team_bounds ->> 'cost_usd')::numeric, theirs.cost_usd) END,
            theirs.spent_cost_usd, (of_theirs ->> 'cost_usd')::numeric, wanted_cost))
    ) AS v (place, scope, name, verdict)
    WHERE v.verdict IS NOT NULL ORDER BY v.verdict = 'used_up' DESC, v.place LIMIT 1;
    IF NOT FOUND THEN
        INSERT INTO reservations (run_id, key, attempt, account, team, month, turns, tokens, cost_usd)
        VALUES (
            wanted_run, wanted_key, wanted_attempt, ours.id, wanted_team, wanted_month, 1, wanted_tokens, wanted_cost
        );
        IF unpriced_model IS NOT NULL AND NOT unpriced_model = ANY (ours.unpriced) THEN
            UPDATE accounts AS a SET unpriced = a.unpriced || unpriced_model WHERE a.id = ours.id RETURNING * INTO ours;
        END IF;
        RETURN QUERY SELECT 'admitted', NULL::text, NULL::text, limits_account(ours), limits_month(theirs);
    ELSE
        RETURN QUERY SELECT refusal.verdict, refusal.scope, refusal.name, limits_account(ours), limits_month(theirs);
    END IF;
END $$;

-- Records a turn that was answered together with what goes with it, and settles what was reserved for it: once.
CREATE FUNCTION limits_settle(
    wanted_run text, turn_key text, used_tokens bigint, used_cost numeric, fallback_team text, fallback_month date,
    keys text[], types text[], bodies text[], blobs text[], facts text[]
) RETURNS SETOF journal_entry
LANGUAGE plpgsql AS $$
DECLARE
    wanted_account text;
    made reservations%ROWTYPE;
BEGIN
    SELECT account INTO wanted_account FROM runs WHERE id = wanted_run FOR NO KEY UPDATE;
    IF FOUND AND NOT EXISTS (SELECT 1 FROM events WHERE run_id = wanted_run AND key = turn_key) THEN
        UPDATE accounts SET spent_turns = spent_turns + 1, spent_tokens = spent_tokens + used_tokens,
            spent_cost_usd = spent_cost_usd + used_cost
        WHERE id = wanted_account;
        -- A call that began in one month is that month's.
        SELECT * INTO made FROM reservations WHERE run_id = wanted_run AND key = turn_key;
        PERFORM limits_lock_month(coalesce(made.team, fallback_team), coalesce(made.month, fallback_month));
        UPDATE months SET spent_turns = spent_turns + 1, spent_tokens = spent_tokens + used_tokens,
            spent_cost_usd = spent_cost_usd + used_cost
        WHERE team = coalesce(made.team, fallback_team) AND month = coalesce(made.month, fallback_month);
    END IF;
    DELETE FROM reservations WHERE run_id = wanted_run AND key = turn_key;
    RETURN QUERY SELECT * FROM journal_append(wanted_run, keys, types, bodies, blobs, facts);
END $$;

-- The bound that holds after a raise: as it is said, or unless `exactly` never lower than it was.
CREATE FUNCTION limits_raised(present numeric, wanted jsonb, name text, exactly boolean) RETURNS numeric
LANGUAGE sql IMMUTABLE AS $$
    SELECT CASE
        WHEN NOT wanted ? name THEN present
        WHEN exactly THEN (wanted ->> name)::numeric
        WHEN present IS NOT NULL THEN greatest(present, (wanted ->> name)::numeric)
    END;
$$;

CREATE FUNCTION limits_raise(wanted_run text, wanted jsonb, exactly boolean) RETURNS jsonb
LANGUAGE sql AS $$
    UPDATE accounts AS a SET
        turns = limits_raised(turns, wanted, 'turns', exactly),
        tokens = limits_raised(tokens, wanted, 'tokens', exactly),
        cost_usd = limits_raised(cost_usd, wanted, 'cost_usd', exactly)
    WHERE id = (SELECT account FROM runs WHERE id = wanted_run) RETURNING limits_account(a);
$$;

-- What stands in the month's row only ever raises the site's bound, so null is no bound but nothing said.
CREATE FUNCTION limits_raise_month(wanted_team text, wanted_month date, wanted jsonb, exactly boolean) RETURNS jsonb
LANGUAGE plpgsql AS $$
DECLARE
    theirs months%ROWTYPE;
BEGIN
    PERFORM limits_lock_month(wanted_team, wanted_month);
    UPDATE months AS m SET
        tokens = CASE WHEN exactly AND wanted ? 'tokens' THEN (wanted ->> 'tokens')::bigint
            ELSE greatest(m.tokens, (wanted ->> 'tokens')::bigint) END,
        cost_usd = CASE WHEN exactly AND wanted ? 'cost_usd' THEN (wanted ->> 'cost_usd')::numeric
            ELSE greatest(m.cost_usd, (wanted ->> 'cost_usd')::numeric) END
    WHERE m.team = wanted_team AND m.month = wanted_month RETURNING * INTO theirs;
    RETURN limits_month(theirs);
END $$;
