"""Which repositories may be talked to, and how."""

import ipaddress
import re
from dataclasses import dataclass, field
from pathlib import Path
from urllib.parse import SplitResult, urlsplit

from adapters.repositories.local import LocalRepository, find_local
from domain.errors import RepositoryRefused
from domain.ports.forge import RepositoryTokens

PRINTABLE = re.compile(r"[\x21-\x7e]+")
SSH_FORM = re.compile(r"(?:ssh://)?(?:[\w.-]+@)?(?P<host>[\w.-]+)[:/](?P<path>[\w./~-]+)")


@dataclass(frozen=True)
class Remote:
    """A repository that may be talked to. `location` is what git is given; `local` is set for one on this host."""

    url: str
    location: str
    protocol: str
    host: str = ""
    token: str | None = field(default=None, repr=False)
    remedy: str = ""
    """What to check where the login that its forge gave is refused."""
    local: LocalRepository | None = None


@dataclass(frozen=True)
class RemotePolicy:
    """What the operator allows; the fields are those of the settings."""

    allowed_paths: tuple[str, ...] = ()
    allowed_hosts: tuple[str, ...] = ()
    git_token: str | None = field(default=None, repr=False)
    git_token_hosts: tuple[str, ...] = ()
    tokens: RepositoryTokens | None = field(default=None, repr=False)
    """Asked for the hosts that `git_token` is not for."""

    def admit(self, url: str) -> Remote:
        """Raises RepositoryRefused with what to do. Touches the disk for local paths only."""
        if url.startswith("/"):
            local = find_local(url, self.allowed_paths)
            return Remote(url=str(local.path), location=str(local.git_dir), protocol="file", local=local)
        parts = _split(url)
        host = parts.netloc.lower()
        self._check_host(url, parts, host)
        has_token = self.git_token and _is_listed(parts, host, self.git_token_hosts)
        remedy = self.tokens.remedy(url) if self.tokens is not None and not has_token else ""
        return Remote(
            url=url,
            # As git will name it when it asks for a login.
            location=parts._replace(scheme=parts.scheme.lower(), netloc=host).geturl(),
            protocol=parts.scheme.lower(),
            host=host,
            token=self.git_token if has_token else None,
            remedy=remedy,
        )

    async def token(self, remote: Remote) -> str | None:
        """What git logs in with there. Raises RemoteUnavailable, RepositoryRefused where a forge gives none now."""
        if remote.token or self.tokens is None or remote.local:
            return remote.token
        return await self.tokens.token(remote.url)

    def _check_host(self, url: str, parts: SplitResult, host: str) -> None:
        listed = _is_listed(parts, host, self.allowed_hosts)
        if self.allowed_hosts and not listed:
            raise RepositoryRefused(
                f"Repositories from {host} are not allowed here.",
                f"Allowed are: {', '.join(self.allowed_hosts)}. The operator sets them as PERDURE_ALLOWED_HOSTS.",
            )
        if parts.scheme.lower() == "http" and not listed and not _is_loopback(parts.hostname or ""):
            raise RepositoryRefused(
                f"{url} would be fetched without encryption.",
                f"Use https://, or let the operator name {host} in PERDURE_ALLOWED_HOSTS.",
            )


def _split(url: str) -> SplitResult:
    if not PRINTABLE.fullmatch(url) or "\\" in url or url.startswith("-"):
        raise RepositoryRefused("The repository's address has characters that no address has.", _FORMS)
    try:
        parts = urlsplit(url)
        parts.port  # noqa: B018  # raises where the port is no number
    except ValueError as error:
        raise RepositoryRefused(f"{url} is not an address.", _FORMS) from error
    if parts.scheme.lower() not in ("https", "http"):
        raise RepositoryRefused(f"{url} is not an address that Perdure can clone.", _suggestion(url))
    if "@" in parts.netloc:
        # The message must not repeat what may be a password.
        raise RepositoryRefused(
            f"The address of the repository at {parts.hostname} has a name or a password in it.",
            "Leave it out: the operator sets PERDURE_GIT_TOKEN and PERDURE_GIT_TOKEN_HOSTS.",
        )
    if not parts.hostname or not parts.path.strip("/") or parts.query or parts.fragment:
        raise RepositoryRefused(f"{url} does not name a repository.", _FORMS)
    return parts


_FORMS = "Give https://host/path, or an absolute path on the server."


def _suggestion(url: str) -> str:
    if url.startswith("file://"):
        return f"Give the path alone: {urlsplit(url).path}"
    if match := SSH_FORM.fullmatch(url):
        return f"{_FORMS} Perdure does not use ssh; try https://{match['host']}/{match['path'].lstrip('/')}"
    return _FORMS


def _is_listed(parts: SplitResult, host: str, hosts: tuple[str, ...]) -> bool:
    return bool({host, (parts.hostname or "").lower()} & {name.lower() for name in hosts})


def _is_loopback(hostname: str) -> bool:
    if hostname.lower() == "localhost":
        return True
    try:
        return ipaddress.ip_address(hostname).is_loopback
    except ValueError:
        return False


def mirror_name(url: str) -> str:
    """A readable name's part for people; the hash beside it is what tells mirrors apart."""
    return re.sub(r"[^A-Za-z0-9]+", "-", Path(urlsplit(url).path).name.removesuffix(".git")).strip("-")[:40]
