-- name: enter
SELECT asked_at, may_ask, seconds, queue, stands, found_kind, found_reason, found_next_step
FROM weather_enter(%(endpoint)s, %(model)s, %(probe_seconds)s::double precision);

-- name: raise
SELECT seconds, queue, is_shared
FROM weather_raise(
    %(endpoint)s, %(model)s, %(kind)s, %(reason)s, %(next_step)s, %(heard_by)s, %(asked_at)s::timestamptz,
    %(asked_seconds)s::double precision, %(first_seconds)s::double precision, %(longest_seconds)s::double precision,
    %(jitter)s::double precision, %(wide)s::boolean
);

-- name: leave
UPDATE weather SET probed_until = NULL
WHERE endpoint = %(endpoint)s AND model IN ('', %(model)s)
    AND probed_until = %(asked_at)s::timestamptz + make_interval(secs => %(probe_seconds)s::double precision);

-- name: clear
DELETE FROM weather
WHERE endpoint = %(endpoint)s AND model IN ('', %(model)s) AND raised_at <= %(asked_at)s::timestamptz;
