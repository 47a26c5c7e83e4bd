"""Pull requests and comments at GitHub and at GitHub Enterprise servers."""

import re
from collections.abc import Mapping
from datetime import datetime
from typing import Any, Literal, TypeVar

from githubkit import TokenAuthStrategy
from githubkit.exception import RequestFailed

from adapters.forges.address import RepositoryName, name_of
from adapters.forges.comments import Comments
from adapters.forges.connection import Connection, Told
from adapters.forges.faults import said_by
from adapters.forges.logins import Logins
from domain.comment import CommentRef
from domain.errors import RepositoryRefused
from domain.pull_request import NewPullRequest, PullRequest, PullRequestText

NO_DRAFTS = re.compile(r"draft pull requests are not supported", re.IGNORECASE)
EXISTS = re.compile(r"a pull request already exists", re.IGNORECASE)
READY = """
mutation($id: ID!) {
  markPullRequestReadyForReview(input: {pullRequestId: $id}) { pullRequest { number isDraft } }
}
"""
Answer = TypeVar("Answer")


class _Label(Told):
    name: str


class _User(Told):
    login: str


class _Team(Told):
    slug: str


class _Ref(Told):
    ref: str


class _Pull(Told):
    node_id: str
    number: int
    html_url: str
    state: Literal["open", "closed"]
    title: str
    body: str | None = None
    draft: bool = False
    head: _Ref
    base: _Ref
    labels: tuple[_Label, ...] = ()
    requested_reviewers: tuple[_User, ...] | None = None
    requested_teams: tuple[_Team, ...] | None = None

    def pull_request(self) -> PullRequest:
        return PullRequest(
            id=self.node_id,
            number=self.number,
            url=self.html_url,
            head=self.head.ref,
            base=self.base.ref,
            draft=self.draft,
            state=self.state,
            text=PullRequestText(title=self.title, body=(self.body or "").replace("\r\n", "\n")),
            labels=tuple(one.name for one in self.labels),
            reviewers=tuple(one.login for one in self.requested_reviewers or ()),
            team_reviewers=tuple(one.slug for one in self.requested_teams or ()),
        )


class _Repository(Told):
    default_branch: str


class GitHubForge:
    def __init__(self, connection: Connection, logins: Logins) -> None:
        self._connection = connection
        self._logins = logins
        self._comments = Comments(connection, logins)

    async def find(self, repository_url: str, head: str) -> PullRequest | None:
        name = _name(repository_url)
        params = {"head": f"{name.owner}:{head}", "state": "all", "sort": "created", "direction": "desc"}
        doing = f"looking for the pull request of {head} in {name}"
        listed = await self._ask(name, doing, "GET", "/pulls", tuple[_Pull, ...], params=params)
        # Where there is no such branch, some servers leave the filter out.
        found = [one.pull_request() for one in listed if one.head.ref == head]
        return next((one for one in found if one.state == "open"), found[0] if found else None)

    async def open(self, repository_url: str, wanted: NewPullRequest) -> PullRequest:
        name = _name(repository_url)
        base = wanted.base or await self._default_branch(name)
        asked = {"head": wanted.head, "base": base, "draft": wanted.draft, **wanted.text.model_dump()}
        doing = f"opening a pull request of {wanted.head} into {base} in {name}"
        try:
            opened = await self._ask(name, doing, "POST", "/pulls", _Pull, json=asked)
        except RepositoryRefused as error:
            said = _unprocessable(error)
            if wanted.draft and NO_DRAFTS.search(said):
                return await self.open(repository_url, wanted.model_copy(update={"draft": False}))
            found = await self.find(repository_url, wanted.head) if EXISTS.search(said) else None
            if found is None or found.state != "open":
                raise
            return found
        return opened.pull_request()

    async def update(self, repository_url: str, number: int, text: PullRequestText) -> PullRequest:
        name = _name(repository_url)
        doing = f"writing the text of pull request {number} in {name}"
        changed = await self._ask(name, doing, "PATCH", f"/pulls/{number}", _Pull, json=text.model_dump())
        return changed.pull_request()

    async def add_labels(self, repository_url: str, number: int, labels: tuple[str, ...]) -> None:
        name = _name(repository_url)
        doing = f"labelling pull request {number} in {name}"
        asked = {"labels": list(labels)}
        await self._ask(name, doing, "POST", f"/issues/{number}/labels", tuple[_Label, ...], json=asked)

    async def request_reviewers(
        self, repository_url: str, number: int, reviewers: tuple[str, ...], teams: tuple[str, ...]
    ) -> tuple[str, ...]:
        """One name that GitHub refuses makes it refuse all: then they are asked one by one."""
        name = _name(repository_url)
        try:
            await self._request(name, number, reviewers, teams)
        except RepositoryRefused as error:
            if not (said := _unprocessable(error)):
                raise
            if len(reviewers) + len(teams) == 1:
                return (f"{(*reviewers, *teams)[0]}: {said}",)
            alone = [((one,), ()) for one in reviewers] + [((), (one,)) for one in teams]
            refused = [await self.request_reviewers(repository_url, number, *one) for one in alone]
            return tuple(one for some in refused for one in some)
        return ()

    async def mark_ready(self, repository_url: str, pull_request: PullRequest) -> None:
        """GitHub's REST API has no such call."""
        name = _name(repository_url)
        doing = f"marking pull request {pull_request.number} in {name} as ready"
        auth = TokenAuthStrategy(await self._logins.token(name))
        await self._connection.ask_graph(auth, doing, READY, {"id": pull_request.id})

    async def find_comment(self, repository_url: str, number: int, mark: str, since: datetime) -> CommentRef | None:
        return await self._comments.find(_name(repository_url), number, mark, since)

    async def comment(self, repository_url: str, number: int, body: str) -> CommentRef:
        return await self._comments.make(_name(repository_url), number, body)

    async def _request(
        self, name: RepositoryName, number: int, reviewers: tuple[str, ...], teams: tuple[str, ...]
    ) -> None:
        asked = {"reviewers": list(reviewers), "team_reviewers": list(teams)}
        doing = f"asking for reviews of pull request {number} in {name}"
        await self._ask(name, doing, "POST", f"/pulls/{number}/requested_reviewers", _Pull, json=asked)

    async def _default_branch(self, name: RepositoryName) -> str:
        return (await self._ask(name, f"looking at {name}", "GET", "", _Repository)).default_branch

    async def _ask(
        self,
        name: RepositoryName,
        doing: str,
        method: str,
        path: str,
        kind: type[Answer],
        json: Mapping[str, Any] | None = None,
        params: Mapping[str, str] | None = None,
    ) -> Answer:
        auth = TokenAuthStrategy(await self._logins.token(name))
        return await self._connection.ask(auth, doing, method, f"{name.path}{path}", kind, json, params)


def _unprocessable(error: RepositoryRefused) -> str:
    """GitHub's words where it answered 422, else nothing."""
    cause = error.__cause__
    return said_by(cause) if isinstance(cause, RequestFailed) and cause.response.status_code == 422 else ""


def _name(repository_url: str) -> RepositoryName:
    if (name := name_of(repository_url)) is None:
        raise RepositoryRefused(f"{repository_url} names no repository of GitHub.", "Give https://host/owner/name.")
    return name
