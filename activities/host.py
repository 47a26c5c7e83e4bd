"""What activities that work on this host's files are made with."""

from dataclasses import dataclass
from pathlib import Path
from typing import Protocol

from activities.dossiers import Dossiers
from domain.ports import Journal, Repositories, Sandbox, Workspaces


class Outputs(Protocol):
    """Whole outputs of calls on this host."""

    def directory(self, run_id: str) -> Path: ...

    def scratch(self, run_id: str, name: str) -> Path: ...

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
