"""Where a run works."""

from typing import Literal

from domain.repository import ResolvedRepository
from domain.sandbox import Enforcement
from domain.snapshot import SnapshotRef
from domain.terms import Terms
from domain.value import Value


class RepositoryResolved(Value):
    type: Literal["repository_resolved"] = "repository_resolved"
    repository: ResolvedRepository


class WorkspaceOpened(Value):
    type: Literal["workspace_opened"] = "workspace_opened"
    host_id: str
    generation: int
    snapshot: SnapshotRef
    enforcement: Enforcement
    terms: Terms = Terms()
    adopted: bool = False
    """True where the host's own copy stood at the committed snapshot already."""


class RulesRead(Value):
    """The repository's own rules for agents, as found at the base: what somebody wrote, never instructions of ours."""

    type: Literal["rules_read"] = "rules_read"
    path: str
    text: str
