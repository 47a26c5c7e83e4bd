"""Forks: what a new run takes over of another one, and races between runs."""

import asyncio
import json
from collections.abc import Sequence
from typing import Any

from adapters.journal.bodies import Bodies
from adapters.journal.connections import Connections
from adapters.journal.facts import facts
from adapters.journal.statements import statements
from domain.event import EVENT, RunSuperseded
from domain.limits import Limits
from domain.ports.journal import Forking, RaceStanding
from domain.record import NewEvent

_SQL = statements("forks")


class ForkTable:
    def __init__(self, connections: Connections, bodies: Bodies) -> None:
        self._connections = connections
        self._bodies = bodies

    async def submit(self, run: dict[str, Any], forking: Forking, limits: Limits) -> tuple[str, str]:
        """`run` is what every submission stores. Its id and outcome, as `journal_submit` says them."""
        events = await self._stored(forking.events)
        wanted = _wanted(str(run["run_id"]), forking) | {"limits": limits.model_dump()}
        [(run_id, outcome)] = await self._connections.rows(
            _SQL["fork"], {**run, **events, "wanted": json.dumps(wanted)}
        )
        return str(run_id), str(outcome)

    async def race(self, race: str, run_id: str, claims: bool) -> RaceStanding:
        [(winner, rivals)] = await self._connections.rows(
            _SQL["race"], {"race": race, "run_id": run_id, "claims": claims}
        )
        return RaceStanding(winner=winner, rivals=tuple(rivals))

    async def _stored(self, events: Sequence[NewEvent]) -> dict[str, Any]:
        stored = await asyncio.gather(*(self._bodies.store(one.event) for one in events))
        return {
            "keys": [one.key for one in events],
            "types": [one.event.type for one in events],
            "bodies": [body for body, _ in stored],
            "blobs": [blob for _, blob in stored],
            "facts": [facts(one.event) for one in events],
        }


def _wanted(run_id: str, forking: Forking) -> dict[str, Any]:
    fork = forking.fork
    wanted: dict[str, Any] = {
        **fork.model_dump(include={"parent", "at", "root", "race", "spent"}),
        **forking.model_dump(include={"upto", "answered", "snapshot", "marks", "carried"}),
    }
    if fork.replaces:
        superseded = RunSuperseded(by=run_id, at=fork.at)
        wanted["superseded"] = {"body": EVENT.dump_json(superseded).decode(), "facts": facts(superseded)}
    return wanted
