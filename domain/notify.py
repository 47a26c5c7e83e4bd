"""Whom runs tell that they are over, or that they wait for a person."""

from typing import Literal
from urllib.parse import urlsplit

from pydantic import Field, model_validator

from domain.network import AllowedHost, allowed, normal
from domain.value import Value

NOTIFY = "notify"
"""The name of the effect."""
ENDED = "ended"
Listener = Literal["site", "request"]
"""Whose address it is: the operator's, for all runs, or the one that the request named."""


class Notify(Value):
    """The operator's part of it. `allowed` are the hosts that may be told, also by requests."""

    url: str | None = Field(default=None, max_length=2000)
    allowed: tuple[AllowedHost, ...] = ()

    @model_validator(mode="after")
    def _own_is_allowed(self) -> "Notify":
        if self.url is not None and (wrong := why_not(self.url, self)):
            raise ValueError(f"notify.url: {wrong}")
        return self

    @property
    def is_wanted(self) -> bool:
        return self.url is not None or bool(self.allowed)


def why_not(url: str, site: Notify) -> str:
    """Why this address may not be told; empty where it may."""
    try:
        parts = urlsplit(url)
        host, port, scheme = parts.hostname or "", parts.port, parts.scheme
    except ValueError as error:
        return f"this is no address: {error}"
    if scheme not in ("https", "http") or parts.username or parts.password or parts.fragment:
        return "it is to be https:// or http://, without a name, a password or a fragment"
    known = normal(host)
    if known is None or not allowed(site.allowed, known, port or (443 if scheme == "https" else 80)):
        return "its host and port are not among those that the operator allows (notify.allowed in the site file)"
    return ""
