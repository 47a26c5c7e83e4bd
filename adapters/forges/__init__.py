"""Where pull requests are opened, and what git logs in with there."""

from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING

from adapters.forges.address import host_of, is_among, name_of
from adapters.settings import Settings
from domain.errors import InvalidRequest, RepositoryRefused
from domain.ports.forge import Forge

if TYPE_CHECKING:
    from adapters.forges.github import GitHubForge
    from adapters.forges.logins import Logins

__all__ = ["SettledForges", "make_forges"]

LOGIN_VARIABLES = "GITHUB_TOKEN, or GITHUB_APP_ID and GITHUB_APP_KEY_PATH"


def make_forges(settings: Settings) -> "SettledForges":
    """GitHub's SDK is loaded when it is first needed: it takes a second and 40 MB."""
    return SettledForges(settings)


class SettledForges:
    """`Forges` and `RepositoryTokens` by what the operator set."""

    def __init__(self, settings: Settings) -> None:
        self._settings = settings

    def get(self, repository_url: str) -> Forge | None:
        return self._github if self._has_login and self._is_github(repository_url) else None

    def check(self, repository_url: str, field: str = "publish") -> None:
        host = host_of(repository_url) or "a local path"
        if not self._is_github(repository_url):
            raise InvalidRequest(
                f"{field}: {host} is no forge that this server knows how to write to",
                f"It knows {', '.join(self._settings.github_hosts)} (PERDURE_GITHUB_HOSTS). Publish a `branch`.",
            )
        if name_of(repository_url) is None:
            raise InvalidRequest(
                f"{field}: {repository_url} names no repository of GitHub", f"Give https://{host}/owner/name."
            )
        if not self._has_login:
            raise InvalidRequest(
                f"{field}: this server has no login to write at {host}",
                f"The operator sets {LOGIN_VARIABLES}. Until then publish a `branch`.",
            )

    async def token(self, repository_url: str) -> str | None:
        """None also where an App is not installed: what is public can be cloned all the same."""
        name = name_of(repository_url)
        if not self._has_login or not self._is_github(repository_url) or name is None:
            return None
        from adapters.forges.logins import is_absent

        try:
            return await self._logins.token(name)
        except RepositoryRefused as error:
            if is_absent(error):
                return None
            raise

    def remedy(self, repository_url: str) -> str:
        if not self._has_login or not self._is_github(repository_url):
            return ""
        if self._settings.github_token:
            return "Check that the token in GITHUB_TOKEN may read the repository and write its contents."
        return f"Install the GitHub App (GITHUB_APP_ID) on {repository_url}, with its contents to read and write."

    @property
    def _has_login(self) -> bool:
        settings = self._settings
        return bool(settings.github_token or (settings.github_app_id and settings.github_app_key_path))

    def _is_github(self, repository_url: str) -> bool:
        return is_among(repository_url, self._settings.github_hosts)

    @cached_property
    def _logins(self) -> "Logins":
        from adapters.forges.connection import Connection
        from adapters.forges.logins import AppLogins, TokenLogins

        settings = self._settings
        if settings.github_token:
            return TokenLogins(settings.github_token)
        assert settings.github_app_id
        assert settings.github_app_key_path
        connection = Connection(settings.github_api_url, AppLogins.variable)
        return AppLogins(settings.github_app_id, Path(settings.github_app_key_path), connection)

    @cached_property
    def _github(self) -> "GitHubForge":
        from adapters.forges.connection import Connection
        from adapters.forges.github import GitHubForge

        return GitHubForge(Connection(self._settings.github_api_url, self._logins.variable), self._logins)
