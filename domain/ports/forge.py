"""Where pull requests are opened and comments are made."""

from datetime import datetime
from typing import Protocol

from domain.comment import CommentRef
from domain.pull_request import NewPullRequest, PullRequest, PullRequestText


class Forge(Protocol):
    """Every call but `comment` can be made twice. RepositoryRefused says what a person must change, and
    RemoteUnavailable is retried."""

    async def find(self, repository_url: str, head: str) -> PullRequest | None:
        """The probe: the open pull request of a branch, else the newest closed one."""
        ...

    async def open(self, repository_url: str, wanted: NewPullRequest) -> PullRequest:
        """One that is there already is answered with; a draft becomes a ready one where there are no drafts."""
        ...

    async def update(self, repository_url: str, number: int, text: PullRequestText) -> PullRequest: ...

    async def add_labels(self, repository_url: str, number: int, labels: tuple[str, ...]) -> None:
        """Labels that the repository does not have are made."""
        ...

    async def request_reviewers(
        self, repository_url: str, number: int, reviewers: tuple[str, ...], teams: tuple[str, ...]
    ) -> tuple[str, ...]:
        """Asks those who can be asked; answers with the others and why not."""
        ...

    async def mark_ready(self, repository_url: str, pull_request: PullRequest) -> None: ...

    async def find_comment(self, repository_url: str, number: int, mark: str, since: datetime) -> CommentRef | None:
        """The probe: a comment on an issue or pull request, changed after `since`, with `mark` in it."""
        ...

    async def comment(self, repository_url: str, number: int, body: str) -> CommentRef:
        """Not to be called twice: a forge takes every comment."""
        ...


class Forges(Protocol):
    def get(self, repository_url: str) -> Forge | None:
        """None where no forge is known for the repository's host."""
        ...

    def check(self, repository_url: str, field: str = "publish") -> None:
        """Raises InvalidRequest, naming the field and what to set, where nothing can be written there. Asks nobody."""
        ...


class RepositoryTokens(Protocol):
    """What git logs in with at hosts whose forge is known."""

    async def token(self, repository_url: str) -> str | None:
        """None where there is none for it. Raises RemoteUnavailable, RepositoryRefused."""
        ...

    def remedy(self, repository_url: str) -> str:
        """What the operator checks where that login is refused; empty where `token` is always None."""
        ...
