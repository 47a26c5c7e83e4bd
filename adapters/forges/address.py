"""Which repository of a forge an address names."""

import re
from urllib.parse import urlsplit

from domain.value import Value

PATH = re.compile(r"/(?P<owner>[A-Za-z0-9_.-]+)/(?P<name>[A-Za-z0-9_.-]+?)(\.git)?/?")


class RepositoryName(Value):
    owner: str
    name: str

    @property
    def path(self) -> str:
        return f"/repos/{self.owner}/{self.name}"

    def __str__(self) -> str:
        return f"{self.owner}/{self.name}"


def host_of(url: str) -> str:
    """With its port; empty for local paths."""
    return urlsplit(url).netloc.lower()


def is_among(url: str, hosts: tuple[str, ...]) -> bool:
    """Whether the URL's host, with or without its port, is one of these."""
    named = {host_of(url), (urlsplit(url).hostname or "").lower()} - {""}
    return bool(named & {host.lower() for host in hosts})


def name_of(url: str) -> RepositoryName | None:
    found = PATH.fullmatch(urlsplit(url).path)
    if found is None or {found["owner"], found["name"]} & {".", ".."}:
        return None
    return RepositoryName(owner=found["owner"], name=found["name"])
