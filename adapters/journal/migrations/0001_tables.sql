-- One row per run: what lists filter by, and which events its summary is a fold of.
CREATE TABLE runs (
    id text COLLATE "C" PRIMARY KEY,
    owner text NOT NULL,
    agent text NOT NULL,
    model text NOT NULL,
    repository text NOT NULL,
    labels jsonb NOT NULL,
    created_at timestamptz NOT NULL,
    updated_at timestamptz NOT NULL,
    seq bigint NOT NULL DEFAULT 0,
    started boolean NOT NULL DEFAULT false,
    -- The status as last said, and whether a provider's refusal stands over it.
    said_status text NOT NULL DEFAULT 'queued',
    said_waiting_for text,
    refused boolean NOT NULL DEFAULT false,
    status text NOT NULL GENERATED ALWAYS AS
        (CASE WHEN refused AND said_status = 'running' THEN 'waiting' ELSE said_status END) STORED,
    waiting_for text GENERATED ALWAYS AS
        (CASE WHEN refused AND said_status = 'running' THEN 'provider' ELSE said_waiting_for END) STORED,
    turn integer NOT NULL DEFAULT 0,
    input_tokens bigint NOT NULL DEFAULT 0,
    cache_read_tokens bigint NOT NULL DEFAULT 0,
    cache_write_tokens bigint NOT NULL DEFAULT 0,
    output_tokens bigint NOT NULL DEFAULT 0,
    reasoning_tokens bigint NOT NULL DEFAULT 0,
    cost_usd double precision NOT NULL DEFAULT 0,
    snapshot_id text,
    -- Name of a mark -> seq of the event that last set it.
    marks jsonb NOT NULL DEFAULT '{}'
) WITH (fillfactor = 50);

CREATE INDEX runs_newest ON runs (created_at DESC, id DESC);
CREATE INDEX runs_by_owner ON runs (owner, created_at DESC, id DESC);
CREATE INDEX runs_unstarted ON runs (created_at, id) WHERE NOT started;

-- `body` is json, not jsonb: it keeps what providers sent byte for byte, and takes the NUL characters of tool outputs.
-- No reference to runs: journal_append, the only writer, holds the run's row.
CREATE TABLE events (
    run_id text COLLATE "C" NOT NULL,
    seq bigint NOT NULL,
    key text COLLATE "C" NOT NULL,
    at timestamptz NOT NULL,
    type text NOT NULL,
    body json,
    blob text,
    PRIMARY KEY (run_id, seq),
    UNIQUE (run_id, key),
    CHECK ((body IS NULL) <> (blob IS NULL))
);

CREATE TABLE workspaces (
    run_id text COLLATE "C" PRIMARY KEY REFERENCES runs (id),
    host_id text NOT NULL,
    generation bigint NOT NULL,
    snapshot jsonb
) WITH (fillfactor = 50);

-- The inbox: a projection of approval events, made in the transaction that records them.
CREATE TABLE approvals (
    run_id text COLLATE "C" NOT NULL,
    approval_id text COLLATE "C" NOT NULL,
    requested_at timestamptz NOT NULL,
    requested_seq bigint NOT NULL,
    decided_at timestamptz,
    decided_seq bigint,
    -- The run ended before anybody decided.
    closed boolean NOT NULL DEFAULT false,
    PRIMARY KEY (run_id, approval_id)
);

CREATE INDEX approvals_newest ON approvals (requested_at DESC, run_id DESC, approval_id DESC);
CREATE INDEX approvals_pending ON approvals (requested_at DESC, run_id DESC, approval_id DESC)
    WHERE decided_seq IS NULL AND NOT closed;

CREATE TABLE idempotency (
    owner text NOT NULL,
    key text NOT NULL,
    request_hash text NOT NULL,
    run_id text COLLATE "C" NOT NULL,
    created_at timestamptz NOT NULL DEFAULT now(),
    PRIMARY KEY (owner, key)
);

CREATE TABLE tokens (
    hash text PRIMARY KEY,
    owner text NOT NULL,
    role text NOT NULL,
    name text NOT NULL,
    created_at timestamptz NOT NULL DEFAULT now()
);
