"""API tokens: only their hashes are kept. They are long and random, so that a plain hash is enough."""

import hashlib

from adapters.journal.connections import Connections
from adapters.journal.statements import statements

_SQL = statements("tokens")


class TokenTable:
    def __init__(self, connections: Connections) -> None:
        self._connections = connections

    async def add(self, token: str, owner: str, role: str, name: str) -> None:
        parameters = {"hash": _hash(token), "owner": owner, "role": role, "name": name}
        await self._connections.rows(_SQL["add"], parameters)

    async def owner_of(self, token: str) -> tuple[str, str] | None:
        rows = await self._connections.rows(_SQL["owner"], {"hash": _hash(token)})
        return (str(rows[0][0]), str(rows[0][1])) if rows else None


def _hash(token: str) -> str:
    return hashlib.sha256(token.encode(errors="surrogateescape")).hexdigest()
