"""Requests to GitHub's API: sent once, answered with one of our values or one of our errors."""

from collections.abc import Mapping
from typing import Any, TypeVar

from githubkit import BaseAuthStrategy, GitHub
from githubkit.cache import MemCacheStrategy
from githubkit.exception import GitHubException
from githubkit.response import Response
from pydantic import BaseModel, ConfigDict, TypeAdapter, ValidationError

from adapters.forges.faults import Asking, fault, moved, unreadable

TIMEOUT_SECONDS = 30.0
VERSION = {"X-GitHub-Api-Version": "2022-11-28"}
"""Enterprise servers of today know this one too."""

Answer = TypeVar("Answer")


class Told(BaseModel):
    """What is read of an answer; the rest may change as it likes."""

    model_config = ConfigDict(frozen=True, extra="ignore")


class Connection:
    """`login` is the variable that the login comes from. Retries are Temporal's, and nothing is cached here."""

    def __init__(self, api_url: str, login: str) -> None:
        self.api_url = api_url
        self.login = login

    async def ask(
        self,
        auth: BaseAuthStrategy,
        doing: str,
        method: str,
        path: str,
        kind: type[Answer],
        json: Mapping[str, Any] | None = None,
        params: Mapping[str, str] | None = None,
    ) -> Answer:
        """Raises RemoteUnavailable or RepositoryRefused; a refusal's `__cause__` is githubkit's own."""
        asking = Asking(doing, self.login, self.api_url)
        try:
            async with self._github(auth) as github:
                response = await github.arequest(
                    method,
                    path,
                    json=dict(json) if json is not None else None,
                    params=dict(params) if params is not None else None,
                    headers=VERSION,
                )
        except GitHubException as error:
            raise fault(error, asking) from error
        except (ValueError, OverflowError) as error:
            # A header with a time that is none.
            raise unreadable(asking, str(error)) from error
        return _read(response, kind, asking)

    async def ask_graph(
        self, auth: BaseAuthStrategy, doing: str, query: str, variables: Mapping[str, Any]
    ) -> Mapping[str, Any]:
        asking = Asking(doing, self.login, self.api_url)
        try:
            async with self._github(auth) as github:
                return await github.graphql.arequest(query, dict(variables))
        except GitHubException as error:
            raise fault(error, asking) from error
        except (ValueError, OverflowError) as error:
            raise unreadable(asking, str(error)) from error

    def _github(self, auth: BaseAuthStrategy) -> GitHub[BaseAuthStrategy]:
        return GitHub(
            auth,
            base_url=self.api_url,
            user_agent="Perdure",
            timeout=TIMEOUT_SECONDS,
            auto_retry=False,
            http_cache=False,
            cache_strategy=MemCacheStrategy(),
            # A POST that is redirected would become a GET.
            follow_redirects=False,
        )


def _read(response: Response[Any], kind: type[Answer], asking: Asking) -> Answer:
    if response.status_code >= 300:
        raise moved(asking, response.headers.get("location", "see it in a browser"))
    try:
        return TypeAdapter(kind).validate_json(response.content)
    except ValidationError as error:
        raise unreadable(asking, f"{error.error_count()} errors, {error.errors()[0]['msg']}") from error
