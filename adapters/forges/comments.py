"""Comments on issues and pull requests at GitHub, which are one kind of thing there."""

from datetime import UTC, datetime

from githubkit import TokenAuthStrategy

from adapters.forges.address import RepositoryName
from adapters.forges.connection import Connection, Told
from adapters.forges.logins import Logins
from domain.comment import CommentRef

PAGE = 100
PAGES = 50
"""Of comments since the run began: more than any issue gets."""


class _Comment(Told):
    html_url: str
    body: str | None = None


class Comments:
    def __init__(self, connection: Connection, logins: Logins) -> None:
        self._connection = connection
        self._logins = logins

    async def find(self, name: RepositoryName, number: int, mark: str, since: datetime) -> CommentRef | None:
        params = {"since": since.astimezone(UTC).strftime("%Y-%m-%dT%H:%M:%SZ"), "per_page": str(PAGE)}
        doing = f"looking for the run's comment on #{number} in {name}"
        path = f"{name.path}/issues/{number}/comments"
        for page in range(1, PAGES + 1):
            auth = TokenAuthStrategy(await self._logins.token(name, comments=True))
            asked = {**params, "page": str(page)}
            listed = await self._connection.ask(auth, doing, "GET", path, tuple[_Comment, ...], params=asked)
            for one in listed:
                if mark in (one.body or ""):
                    return CommentRef(number=number, url=one.html_url)
            if len(listed) < PAGE:
                break
        return None

    async def make(self, name: RepositoryName, number: int, body: str) -> CommentRef:
        auth = TokenAuthStrategy(await self._logins.token(name, comments=True))
        doing, path = f"commenting on #{number} in {name}", f"{name.path}/issues/{number}/comments"
        made = await self._connection.ask(auth, doing, "POST", path, _Comment, json={"body": body})
        return CommentRef(number=number, url=made.html_url)
