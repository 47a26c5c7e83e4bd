"""The tables of limits: what is admitted, settled, given back and raised."""

import json
from collections.abc import Sequence
from datetime import date
from typing import Any

from adapters.journal.connections import Connections
from adapters.journal.events import EventTable
from adapters.journal.statements import statements
from domain.account import Account, Admission, Amount, Raise, TeamMonth, Wanted
from domain.record import NewEvent, RecordedEvent

_SQL = statements("limits")


class LimitTable:
    def __init__(self, connections: Connections, events: EventTable) -> None:
        self._connections = connections
        self._events = events

    async def admit(self, wanted: Wanted) -> Admission:
        [(verdict, scope, limit, account, month)] = await self._connections.rows(
            _SQL["admit"],
            {
                "run_id": wanted.run_id,
                "key": wanted.key,
                "attempt": wanted.attempt,
                "tokens": wanted.amount.tokens,
                "cost_usd": wanted.amount.cost_usd,
                "first": wanted.limits.model_dump_json(),
                "unpriced": wanted.unpriced,
                "team": wanted.team,
                "month": wanted.month,
                "team_bounds": wanted.team_bounds.model_dump_json(),
                "asker": wanted.asker,
                "asking_seconds": wanted.asking_seconds,
            },
        )
        return Admission(
            verdict=verdict,
            scope=scope,
            limit=limit,
            account=Account.model_validate_json(account),
            month=TeamMonth.model_validate_json(month),
        )

    async def settle(self, wanted: Wanted, used: Amount, events: Sequence[NewEvent]) -> Sequence[RecordedEvent]:
        parameters: dict[str, Any] = {
            "key": wanted.key,
            "tokens": used.tokens,
            "cost_usd": used.cost_usd,
            "team": wanted.team,
            "month": wanted.month,
            "asker": wanted.asker,
        }
        return await self._events.record(wanted.run_id, events, _SQL["settle"], parameters)

    async def release(self, wanted: Wanted) -> None:
        parameters = wanted.model_dump(include={"run_id", "key", "attempt", "asker"})
        await self._connections.rows(_SQL["release"], parameters)

    async def raise_account(self, run_id: str, wanted: Raise) -> Account | None:
        rows = await self._connections.rows(_SQL["raise"], {"run_id": run_id, **_raise(wanted)})
        return Account.model_validate_json(rows[0][0]) if rows and rows[0][0] else None

    async def raise_month(self, team: str, month: date, wanted: Raise) -> TeamMonth:
        parameters = {"team": team, "month": month, **_raise(wanted)}
        [(found,)] = await self._connections.rows(_SQL["raise_month"], parameters)
        return TeamMonth.model_validate_json(found)

    async def account(self, run_id: str) -> Account | None:
        rows = await self._connections.rows(_SQL["account"], {"run_id": run_id})
        return Account.model_validate_json(rows[0][0]) if rows else None

    async def months(self, month: date) -> Sequence[TeamMonth]:
        rows = await self._connections.rows(_SQL["months"], {"month": month})
        return [TeamMonth.model_validate_json(row[0]) for row in rows]

    async def waiting_beside(self, run_id: str) -> Sequence[tuple[str, str]]:
        rows = await self._connections.rows(_SQL["waiting"], {"run_id": run_id})
        return [(str(row[0]), str(row[1])) for row in rows]


def _raise(wanted: Raise) -> dict[str, Any]:
    return {"bounds": json.dumps(wanted.bounds), "exactly": wanted.exactly}
