"""How Perdure logs in at GitHub: by a token, or as an App by a token minted for one repository."""

import asyncio
import time
from datetime import datetime
from pathlib import Path
from typing import Protocol

from githubkit import AppAuthStrategy
from githubkit.exception import RequestFailed

from adapters.forges.address import RepositoryName
from adapters.forges.connection import Connection, Told
from domain.errors import RepositoryRefused

EARLY_SECONDS = 300.0
"""A token is not used so shortly before its end: a push may take as long."""
ABSENT_SECONDS = 60.0
"""How long an App that is not installed is not looked for again."""


class Logins(Protocol):
    variable: str
    """What the operator set it by, for messages."""

    async def token(self, name: RepositoryName, comments: bool = False) -> str:
        """With `comments`, one that may write on issues too, where the login has that right."""
        ...


class TokenLogins:
    variable = "GITHUB_TOKEN"

    def __init__(self, token: str) -> None:
        self._token = token

    async def token(self, name: RepositoryName, comments: bool = False) -> str:  # noqa: ARG002  # one token for all
        return self._token


class _Installation(Told):
    id: int


class _Minted(Told):
    token: str
    expires_at: datetime


class AppLogins:
    """Tokens of an hour, each for one repository and for what is needed there; they are kept in memory alone."""

    variable = "GITHUB_APP_ID and GITHUB_APP_KEY_PATH"

    def __init__(self, app_id: str, key_path: Path, connection: Connection) -> None:
        self._app_id = app_id
        self._key_path = key_path
        self._connection = connection
        self._minted: dict[tuple[RepositoryName, bool], tuple[str, float]] = {}
        self._absent: dict[RepositoryName, tuple[RepositoryRefused, float]] = {}

    async def token(self, name: RepositoryName, comments: bool = False) -> str:
        token, until = self._minted.get((name, comments), ("", 0.0))
        if time.time() + EARLY_SECONDS < until:
            return token
        refused, since = self._absent.get(name, (None, 0.0))
        if refused is not None and time.time() < since + ABSENT_SECONDS:
            raise RepositoryRefused(refused.message, refused.next_step)
        try:
            minted = await self._mint(name, comments)
        except RepositoryRefused as error:
            if is_absent(error):
                self._absent[name] = (error, time.time())
            raise
        self._minted[name, comments] = (minted.token, minted.expires_at.timestamp())
        return minted.token

    async def _mint(self, name: RepositoryName, comments: bool) -> _Minted:
        auth = AppAuthStrategy(self._app_id, await asyncio.to_thread(self._key))
        doing = f"looking for the App's installation on {name}"
        found = await self._connection.ask(auth, doing, "GET", f"{name.path}/installation", _Installation)
        path = f"/app/installations/{found.id}/access_tokens"
        rights = ("issues", "pull_requests") if comments else ("contents", "pull_requests")
        wanted = {"repositories": [name.name], "permissions": dict.fromkeys(rights, "write")}
        doing = f"getting the App's token for {name} ({' and '.join(rights)}, to write)"
        try:
            return await self._connection.ask(auth, doing, "POST", path, _Minted, json=wanted)
        except RepositoryRefused as error:
            if not comments or not _status(error, 422):
                raise
        # Without the right to issues, pull requests can be commented on all the same.
        return await self._mint(name, comments=False)

    def _key(self) -> str:
        try:
            return self._key_path.read_text()
        except (OSError, UnicodeDecodeError) as error:
            raise RepositoryRefused(
                f"The GitHub App's key cannot be read: {error}",
                "Set GITHUB_APP_KEY_PATH to the .pem file that the App's page gave, readable for the worker.",
            ) from error


def is_absent(error: RepositoryRefused) -> bool:
    return _status(error, 404)


def _status(error: RepositoryRefused, status: int) -> bool:
    cause = error.__cause__
    return isinstance(cause, RequestFailed) and cause.response.status_code == status
