"""Where work comes from and goes to."""

from pathlib import Path
from typing import Protocol

from domain.ports.files import Snapshots
from domain.repository import CommitSpec, PublishedWork, RepositorySpec, ResolvedRepository
from domain.sandbox import Command
from domain.snapshot import SnapshotRef
from domain.terms import PublishRules


class Repositories(Protocol):
    """Git on the host's side of the wall: bare mirrors only, never a tree that an agent can write."""

    async def resolve(self, spec: RepositorySpec) -> ResolvedRepository:
        """Fetches the mirror, finds the commit, stores its pack as a blob. RepositoryRefused, RemoteUnavailable."""
        ...

    async def checkout(self, repository: ResolvedRepository) -> Path:
        """The cached read-only checkout of its commit on this host, made if need be, from the blob if the origin
        is gone. With `.git` in it, whose objects are those of the mirror mounted at MIRROR_PATH."""
        ...

    async def empty(self) -> Path:
        """The base of a workspace without a repository: an empty git repository."""
        ...

    def mirror(self, repository: ResolvedRepository) -> Path:
        """The bare mirror to mount read-only at MIRROR_PATH."""
        ...

    def commit_command(self, base: str, commit: CommitSpec) -> Command:
        """To run in the sandbox: commits /workspace over `base` with a git directory of its own, prints the pack."""
        ...

    async def assemble(
        self, repository: ResolvedRepository, ref: SnapshotRef, snapshots: Snapshots, commit: CommitSpec, pack: Path
    ) -> str | None:
        """The same commit without the sandbox and without the agent's `.git`: built from a snapshot, its pack written
        to `pack`. None where nothing differs from the base. WorkRefused."""
        ...

    async def take_in(
        self,
        repository: ResolvedRepository,
        pack: Path,
        commit_id: str,
        commit: CommitSpec,
        rules: PublishRules | None = None,
    ) -> PublishedWork:
        """Checks the pack in a clean bare repository, stores it and the diff, and says what a person should look at.
        `rules` None asks about everything. WorkRefused says what is wrong."""
        ...

    async def remote_commit(self, repository: ResolvedRepository, branch: str) -> str | None:
        """The probe: where the branch stands at the origin."""
        ...

    async def push(self, repository: ResolvedRepository, work: PublishedWork) -> None:
        """Pushes with a lease on the branch not existing. Idempotent. RemoteUnavailable, RepositoryRefused."""
        ...
