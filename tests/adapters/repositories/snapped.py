"""Work as a run has it, snapshot by snapshot: what the sandbox commits of it, and what the host builds of it."""

import uuid
from pathlib import Path

from adapters.blobs import ObjectBlobs
from adapters.repositories import EMPTY_REPOSITORY, GitRepositories
from adapters.repositories.mirror import make_agent_directory
from adapters.sandboxes.bubblewrap import BubblewrapSandbox
from adapters.workspaces.overlay import OverlayWorkspaces
from adapters.workspaces.snapshots import PackSnapshots
from domain.repository import PublishedWork, RepositorySpec
from domain.sandbox import MIRROR_PATH, Command, CommandResult, Mount, ReadOnlyMount
from domain.snapshot import SnapshotRef
from domain.workspace import BaseSpec, WorkspaceLease
from tests.adapters.repositories.conftest import AGENT, AGENT_UID, SPEC


class Snapped:
    def __init__(
        self, repositories: GitRepositories, sandbox: BubblewrapSandbox, blobs: ObjectBlobs, place: Path
    ) -> None:
        self.repositories, self.sandbox, self.place = repositories, sandbox, place
        self.snapshots = PackSnapshots(blobs)
        home = place / "worker" / "workspaces"
        make_agent_directory(home.parent, AGENT_UID)
        make_agent_directory(home, AGENT_UID)
        self.workspaces = OverlayWorkspaces(home, blobs, AGENT_UID)
        self.base = EMPTY_REPOSITORY
        self.lease = WorkspaceLease(workspace_id="run-1", host_id="here", generation=1, snapshot=None)
        self.calls = 0
        self.pack = place / "out.pack"

    async def open(self, source: Path | None) -> "Snapped":
        if source is not None:
            self.base = await self.repositories.resolve(RepositorySpec(url=str(source)))
        tree = await self.repositories.checkout(self.base)
        base = BaseSpec(repository=self.base.url, commit=self.base.commit)
        ref, _ = await self.workspaces.open(self.lease, base, tree)
        self.lease = self.lease.model_copy(update={"snapshot": ref})
        return self

    @property
    def mirror(self) -> ReadOnlyMount:
        return ReadOnlyMount(source=str(self.repositories.mirror(self.base)), target=MIRROR_PATH)

    async def open_again(self) -> None:
        """As another host would: from the blobs alone."""
        tree = await self.repositories.checkout(self.base)
        self.lease = self.lease.model_copy(update={"generation": self.lease.generation + 1})
        base = BaseSpec(repository=self.base.url, commit=self.base.commit)
        await self.workspaces.open(self.lease, base, tree)

    @property
    def ref(self) -> SnapshotRef:
        assert self.lease.snapshot is not None
        return self.lease.snapshot

    async def run(self, script: str) -> None:
        """What the agent does, committed as one call."""
        self.calls += 1
        layers = await self.workspaces.begin(self.lease, f"turn/{self.calls}/call/0", 1)
        command = Command(argv=("bash", "-ec", script), environment=AGENT)
        result = await self._run(command, layers.mounts)
        assert result.exit_code == 0, (result.head + result.tail).decode(errors="replace")
        sealed = await self.workspaces.seal(self.lease, layers)
        await self.workspaces.apply(self.lease, sealed)
        self.lease = self.lease.model_copy(update={"snapshot": sealed.snapshot})

    async def commit(self) -> CommandResult:
        """The commit command over the workspace."""
        self.calls += 1
        layers = await self.workspaces.begin(self.lease, f"publish/{self.calls}/call/0", 1)
        command = self.repositories.commit_command(self.base.commit, SPEC)
        return await self._run(command.model_copy(update={"output_path": str(self.pack)}), layers.mounts)

    async def assemble(self) -> str | None:
        return await self.repositories.assemble(self.base, self.ref, self.snapshots, SPEC, self.pack)

    async def take_in(self, commit: str) -> PublishedWork:
        return await self.repositories.take_in(self.base, self.pack, commit, SPEC)

    async def _run(self, command: Command, mounts: tuple[Mount, ...]) -> CommandResult:
        named = {"mounts": (*mounts, self.mirror), "name": f"snapped-{uuid.uuid4().hex}"}
        return await self.sandbox.run(command.model_copy(update=named))
