"""What activities that work on this host's files are made with."""

from dataclasses import dataclass
from pathlib import Path
from typing import Protocol

from activities.dossiers import Dossiers
from domain.agents import AGENTS
from domain.dossier import Dossier
from domain.ports import Egress, Journal, Repositories, Sandbox, Web, Workspaces
from domain.secrets import Mask
from domain.terms import Site, Terms, terms_of


class Outputs(Protocol):
    """Whole outputs of calls on this host."""

    def directory(self, run_id: str) -> Path: ...

    def scratch(self, run_id: str, name: str) -> Path: ...

    async def masked(self, scratch: Path, keep_bytes: int) -> tuple[bytes, bytes, int]: ...

    async def keep(self, run_id: str, name: str, scratch: Path) -> str: ...

    async def restore(self, run_id: str, wanted: dict[str, str]) -> None: ...

    async def discard(self, run_id: str) -> None: ...


@dataclass(frozen=True)
class Host:
    id: str
    """Names its task queue."""
    journal: Journal
    dossiers: Dossiers
    sandbox: Sandbox
    workspaces: Workspaces
    repositories: Repositories
    outputs: Outputs
    site: Site
    mask: Mask
    egress: Egress
    web: Web

    def terms(self, dossier: Dossier, agent: str) -> Terms:
        """What the commands of a run get that is opened here now."""
        spec = dossier.spec
        repository = spec.repository.url if spec.repository else ""
        return terms_of(self.site, agent, AGENTS[agent].sandbox_limits, repository, spec.sandbox_limits)
