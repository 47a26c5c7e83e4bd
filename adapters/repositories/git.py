"""`Repositories` by git: bare mirrors on the host, checkouts and commits in the sandbox, packs in between."""

from pathlib import Path

from adapters.repositories.address import RemotePolicy
from adapters.repositories.checkout import Checkouts
from adapters.repositories.commit import commit_command
from adapters.repositories.empty import EMPTY_REPOSITORY
from adapters.repositories.mirror import Mirrors
from adapters.repositories.publish import Publisher
from adapters.repositories.rules import WorkRules
from domain.ports.files import Blobs, Snapshots
from domain.ports.sandbox import Sandbox
from domain.repository import CommitSpec, PublishedWork, RepositorySpec, ResolvedRepository
from domain.sandbox import Command
from domain.snapshot import SnapshotRef
from domain.terms import PublishRules


class GitRepositories:
    """`home` is the worker's: all of it can be made again. `agent_uid` is None where the worker is not root."""

    def __init__(
        self,
        home: Path,
        blobs: Blobs,
        sandbox: Sandbox,
        policy: RemotePolicy,
        agent_uid: int | None = None,
        rules: WorkRules | None = None,
    ) -> None:
        home.mkdir(parents=True, exist_ok=True, mode=0o711)
        intakes = home / "intake"
        intakes.mkdir(exist_ok=True, mode=0o700)
        self._rules = rules or WorkRules()
        self._mirrors = Mirrors(home, blobs, policy, agent_uid)
        self._checkouts = Checkouts(home, sandbox, agent_uid)
        self._publisher = Publisher(intakes, self._mirrors, blobs, self._rules, sandbox)

    async def resolve(self, spec: RepositorySpec) -> ResolvedRepository:
        return await self._mirrors.resolve(spec)

    async def restore(self, repository: ResolvedRepository) -> Path:
        """The mirror with the commit in it, from the blob store where this host lacks it."""
        return await self._mirrors.restore(repository)

    async def checkout(self, repository: ResolvedRepository) -> Path:
        return await self._checkouts.make(repository, await self.restore(repository))

    async def empty(self) -> Path:
        return await self.checkout(EMPTY_REPOSITORY)

    def mirror(self, repository: ResolvedRepository) -> Path:
        return self._mirrors.path(repository.url)

    def commit_command(self, base: str, commit: CommitSpec) -> Command:
        return commit_command(base, commit, self._rules)

    async def assemble(
        self, repository: ResolvedRepository, ref: SnapshotRef, snapshots: Snapshots, commit: CommitSpec, pack: Path
    ) -> str | None:
        return await self._publisher.assemble(repository, ref, snapshots, commit, pack)

    async def take_in(
        self,
        repository: ResolvedRepository,
        pack: Path,
        commit_id: str,
        commit: CommitSpec,
        rules: PublishRules | None = None,
    ) -> PublishedWork:
        return await self._publisher.take_in(repository, pack, commit_id, commit, rules or PublishRules())

    async def remote_commit(self, repository: ResolvedRepository, branch: str) -> str | None:
        return await self._publisher.remote_commit(repository, branch)

    async def push(self, repository: ResolvedRepository, work: PublishedWork) -> None:
        await self._publisher.push(repository, work)
