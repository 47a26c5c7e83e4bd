-- When each worker has last said that it lives. Rows of the dead go a day later.
CREATE TABLE workers (
    id text PRIMARY KEY,
    task_queue text NOT NULL,
    seen_at timestamptz NOT NULL
);
