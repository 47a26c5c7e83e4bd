-- Which run made a setup command's effect that others may take over.
CREATE TABLE setups (
    key text COLLATE "C" PRIMARY KEY,
    run_id text COLLATE "C" NOT NULL REFERENCES runs (id) ON DELETE CASCADE,
    made_at timestamptz NOT NULL DEFAULT now()
);

CREATE INDEX setups_by_run ON setups (run_id);
