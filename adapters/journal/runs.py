"""The table of runs: submitting one, and what lists show."""

import json
from collections.abc import Sequence
from itertools import groupby
from typing import Any

from adapters.journal.bodies import Bodies
from adapters.journal.connections import Connections, Row
from adapters.journal.cursors import read_cursor, write_cursor
from adapters.journal.forks import ForkTable
from adapters.journal.statements import statements
from domain.errors import Conflict, NotFound
from domain.event import RunSubmitted
from domain.model import Usage
from domain.ports.journal import RunFilter, Submission
from domain.run import RunSummary
from domain.summary import summarize

_SQL = statements("runs")
_COLUMNS = 11
"""Columns of a run before those of one of its events, in the statements `one` and `page`."""


class RunTable:
    def __init__(self, connections: Connections, bodies: Bodies, forks: ForkTable) -> None:
        self._connections = connections
        self._forks = forks
        self._bodies = bodies

    async def submit(self, submission: Submission) -> tuple[str, bool]:
        spec = submission.spec
        submitted = RunSubmitted(
            spec=spec, model=submission.model, fallback_models=submission.fallback_models, owner=submission.owner
        )
        body, blob = await self._bodies.store(submitted)
        run: dict[str, Any] = {
            "run_id": submission.run_id,
            "owner": submission.owner,
            "agent": spec.agent,
            "model": submission.model,
            "repository": spec.repository.url if spec.repository else "",
            "labels": json.dumps(spec.labels),
            "idempotency_key": submission.idempotency_key,
            "request_hash": submission.request_hash,
            "body": body,
            "blob": blob,
            "account": submission.account,
        }
        if submission.forking is not None:
            run_id, outcome = await self._forks.submit(run, submission.forking, spec.limits)
        else:
            [(run_id, outcome)] = await self._connections.rows(_SQL["submit"], run)
        if outcome == "conflict":
            raise Conflict(
                f"Another request with this key was accepted before, as run {run_id}",
                "Send the same body again, or take a new Idempotency-Key.",
            )
        return str(run_id), bool(outcome == "new")

    async def unstarted(self, older_than_seconds: float) -> Sequence[str]:
        return [str(row[0]) for row in await self._connections.rows(_SQL["unstarted"], {"seconds": older_than_seconds})]

    async def summary(self, run_id: str) -> RunSummary:
        rows = await self._connections.rows(_SQL["one"], {"run_id": run_id})
        if not rows:
            raise NotFound(f"There is no run {run_id}", "`perdure ls` lists the runs.")
        return await self._summary(rows)

    async def summaries(
        self, wanted: RunFilter, limit: int, cursor: str | None
    ) -> tuple[Sequence[RunSummary], str | None]:
        cursor_at, cursor_id = read_cursor(cursor, 1)
        parameters: dict[str, Any] = {
            **wanted.model_dump(exclude={"label"}),
            "labels": json.dumps(dict([wanted.label])) if wanted.label else None,
            "cursor_at": cursor_at,
            "cursor_id": cursor_id[0],
            # One more than asked for tells whether there is another page.
            "limit": limit + 1,
        }
        rows = await self._connections.rows(_SQL["page"], parameters, prepare=False)
        runs = [list(group) for _, group in groupby(rows, key=lambda row: row[0])]
        found = [await self._summary(run) for run in runs[:limit]]
        more = len(runs) > limit
        return found, write_cursor(found[-1].created_at, found[-1].run_id) if more and found else None

    async def _summary(self, rows: list[Row]) -> RunSummary:
        """A fold of the marked events; what adds up over all events is kept in the run's columns."""
        run_id, _, updated_at, turn, *usage, cost_usd, snapshot_id = rows[0][:_COLUMNS]
        marked = await self._bodies.recorded(run_id, [row[_COLUMNS:] for row in rows])
        totals = {
            "updated_at": updated_at,
            "turn": turn,
            "usage": Usage(**dict(zip(Usage.model_fields, usage, strict=True))),
            "cost_usd": cost_usd,
            "snapshot_id": snapshot_id,
        }
        return summarize(run_id, marked).model_copy(update=totals)
