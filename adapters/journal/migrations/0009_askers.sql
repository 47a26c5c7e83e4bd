-- A reservation is also the word of who asks: until a time its question may leave, and no other attempt of the turn asks
-- or records an answer meanwhile. So no question leaves for what is recorded, whatever hung and came back.
ALTER TABLE reservations
    ADD COLUMN asker text NOT NULL DEFAULT '',
    ADD COLUMN asks_until timestamptz NOT NULL DEFAULT clock_timestamp();

CREATE FUNCTION reservations_others_ask(wanted_run text, wanted_key text, wanted_asker text) RETURNS boolean
LANGUAGE sql VOLATILE AS $$
    SELECT EXISTS (
        SELECT 1 FROM reservations
        WHERE run_id = wanted_run AND key = wanted_key AND asker <> wanted_asker AND asks_until > clock_timestamp()
    );
$$;

DROP FUNCTION limits_admit(text, text, integer, bigint, numeric, jsonb, text, text, date, jsonb);
DROP FUNCTION limits_settle(text, text, bigint, numeric, text, date, text[], text[], text[], text[], text[]);

-- Reserves the worst case of one call, or says which limit refuses it, or that the turn is 'answered', or that another
-- attempt may be 'asking' just now. Rows are locked in the order run, account, month everywhere. Whoever asks again under
-- the same key replaces what it has reserved, so that a crash reserves nothing twice.
CREATE FUNCTION limits_admit(
    wanted_run text, wanted_key text, wanted_attempt integer, wanted_tokens bigint, wanted_cost numeric, first jsonb,
    unpriced_model text, wanted_team text, wanted_month date, team_bounds jsonb,
    wanted_asker text DEFAULT '', asking_seconds double precision DEFAULT 0
) RETURNS TABLE (verdict text, scope text, limit_name text, account jsonb, month jsonb)
LANGUAGE plpgsql AS $$
DECLARE
    ours accounts%ROWTYPE;
    theirs months%ROWTYPE;
    of_ours jsonb;
    of_theirs jsonb;
    refusal record;
    met text;
BEGIN
    ours := limits_lock_account(wanted_run, first);
    theirs := limits_lock_month(wanted_team, wanted_month);
    -- After the lock, so that what others have committed under it is seen.
    SELECT CASE
        WHEN EXISTS (SELECT 1 FROM events AS e WHERE e.run_id = wanted_run AND e.key = wanted_key) THEN 'answered'
        WHEN reservations_others_ask(wanted_run, wanted_key, wanted_asker) THEN 'asking'
    END INTO met;
    IF met IS DISTINCT FROM 'asking' THEN
        DELETE FROM reservations AS r WHERE r.run_id = wanted_run AND r.key = wanted_key;
    END IF;
    IF met IS NOT NULL THEN
        RETURN QUERY SELECT met, NULL::text, NULL::text, limits_account(ours), limits_month(theirs);
        RETURN;
    END IF;
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
        INSERT INTO reservations (
            run_id, key, attempt, account, team, month, turns, tokens, cost_usd, asker, asks_until
        ) VALUES (
            wanted_run, wanted_key, wanted_attempt, ours.id, wanted_team, wanted_month, 1, wanted_tokens, wanted_cost,
            wanted_asker, clock_timestamp() + make_interval(secs => asking_seconds)
        );
        IF unpriced_model IS NOT NULL AND NOT unpriced_model = ANY (ours.unpriced) THEN
            UPDATE accounts AS a SET unpriced = a.unpriced || unpriced_model WHERE a.id = ours.id RETURNING * INTO ours;
        END IF;
        RETURN QUERY SELECT 'admitted', NULL::text, NULL::text, limits_account(ours), limits_month(theirs);
    ELSE
        RETURN QUERY SELECT refusal.verdict, refusal.scope, refusal.name, limits_account(ours), limits_month(theirs);
    END IF;
END $$;

-- Records a turn that was answered together with what goes with it, and settles what was reserved for it: once. Answers
-- with nothing where another attempt may be asking just now: what it then asks for must not be recorded already.
CREATE FUNCTION limits_settle(
    wanted_run text, turn_key text, used_tokens bigint, used_cost numeric, fallback_team text, fallback_month date,
    keys text[], types text[], bodies text[], blobs text[], facts text[],
    wanted_asker text DEFAULT ''
) RETURNS SETOF journal_entry
LANGUAGE plpgsql AS $$
DECLARE
    wanted_account text;
    made reservations%ROWTYPE;
BEGIN
    SELECT account INTO wanted_account FROM runs WHERE id = wanted_run FOR NO KEY UPDATE;
    PERFORM 1 FROM accounts WHERE id = wanted_account FOR NO KEY UPDATE;
    IF reservations_others_ask(wanted_run, turn_key, wanted_asker)
        AND NOT EXISTS (SELECT 1 FROM events WHERE run_id = wanted_run AND key = turn_key)
    THEN
        RETURN;
    END IF;
    IF wanted_account IS NOT NULL AND NOT EXISTS (SELECT 1 FROM events WHERE run_id = wanted_run AND key = turn_key) THEN
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
