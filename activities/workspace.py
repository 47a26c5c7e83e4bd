"""Opening a workspace: on this host, at the committed snapshot, whatever became of the host before."""

from pathlib import Path

from temporalio import activity

from activities.host import Host
from activities.waits import shown
from domain.dossier import Dossier
from domain.errors import NotFound
from domain.event import RepositoryResolved, RulesRead, WorkspaceOpened
from domain.record import NewEvent
from domain.sandbox import Command, Enforcement
from domain.snapshot import SnapshotRef
from domain.terms import Terms
from domain.value import Value
from domain.workspace import BaseSpec, WorkspaceLease, WorkspaceRef

RULES = ("AGENTS.md", "CLAUDE.md")
RULES_BYTES = 16 * 1024
FIRST_OF = """
for name in "$@"; do
  if test -f "$name"; then printf '%s\\n' "$name"; head -c "$LIMIT" -- "$name"; exit; fi
done
"""


class OpenWorkspaceInput(Value):
    run_id: str
    agent: str


class CloseWorkspaceInput(Value):
    """`generation` is the one that is given back; None is whatever is here, since the run has ended."""

    run_id: str
    generation: int | None = None


class WorkspaceActivities:
    def __init__(self, host: Host) -> None:
        self._host = host

    @activity.defn
    async def open_workspace(self, input: OpenWorkspaceInput) -> WorkspaceRef:
        """Raises the generation and restores what was committed; never the bare base where there was more."""
        async with shown(self._host.journal, input.run_id):
            return await self._open(input)

    async def _open(self, input: OpenWorkspaceInput) -> WorkspaceRef:
        lease = await self._host.journal.take_workspace(input.run_id, self._host.id)
        dossier = await self._resolved(input.run_id)
        base_path = await self._base_path(dossier)
        base = BaseSpec(
            repository=dossier.repository.url if dossier.repository else "",
            commit=dossier.repository.commit if dossier.repository else "empty",
        )
        snapshot, adopted = await self._host.workspaces.open(lease, base, base_path)
        if lease.snapshot is None:
            snapshot = await self._host.journal.settle_base(lease, snapshot)
        opened = lease.model_copy(update={"snapshot": snapshot})
        terms = self._host.terms(dossier, input.agent)
        if dossier.rules is None and dossier.repository is not None:
            await self._read_rules(input, opened, terms)
        names = {
            call.removeprefix("turn/").replace("/call/", "-").replace("/", "-"): address
            for call, address in dossier.outputs.items()
        }
        await self._host.outputs.restore(input.run_id, names)
        await self._record(input, opened, snapshot, terms, adopted)
        return WorkspaceRef(workspace_id=input.run_id, host_id=self._host.id, generation=lease.generation)

    @activity.defn
    async def close_workspace(self, input: CloseWorkspaceInput) -> None:
        """Gives back what a run that ended, or waits for a person, held on this host; its snapshots stay."""
        lease = None if input.generation is None else await self._host.journal.lease(input.run_id)
        if lease is not None and lease.host_id == self._host.id and lease.generation != input.generation:
            return  # this attempt hung for so long that the run has come back
        await self._host.sandbox.release(input.run_id)
        await self._host.workspaces.close(input.run_id, input.generation)
        await self._host.outputs.discard(input.run_id)

    async def _resolved(self, run_id: str) -> Dossier:
        """The dossier, with what the repository's ref meant when the run first opened it."""
        dossier = await self._host.dossiers.of(run_id)
        if dossier.repository is None and dossier.spec.repository is not None:
            resolved = await self._host.repositories.resolve(dossier.spec.repository)
            event = RepositoryResolved(repository=resolved)
            await self._host.journal.record(run_id, [NewEvent(key="repository", event=event)])
            dossier = await self._host.dossiers.of(run_id)
            if dossier.repository is None:
                raise NotFound(f"run {run_id} lost its repository")
        return dossier

    async def _base_path(self, dossier: Dossier) -> Path:
        if dossier.repository is None:
            return await self._host.repositories.empty()
        return await self._host.repositories.checkout(dossier.repository)

    async def _read_rules(self, input: OpenWorkspaceInput, lease: WorkspaceLease, terms: Terms) -> None:
        layers = await self._host.workspaces.read_mounts(lease)
        command = Command(
            argv=("sh", "-c", FIRST_OF, "sh", *RULES),
            environment=self._host.sandbox.environment | {"LIMIT": str(RULES_BYTES)},
            mounts=layers.mounts,
            limits=terms.limits,
            run_id=input.run_id,
            image=terms.image,
            name=f"{input.run_id}-rules-{lease.generation}",
            timeout_seconds=20,
        )
        result = await self._host.sandbox.run(command)
        path, _, text = (result.head + result.tail).decode(errors="replace").partition("\n")
        rules = RulesRead(path=path if path in RULES else "", text=text)
        await self._host.journal.record(input.run_id, [NewEvent(key="rules", event=rules)])

    async def _record(
        self, input: OpenWorkspaceInput, lease: WorkspaceLease, snapshot: SnapshotRef, terms: Terms, adopted: bool
    ) -> None:
        enforcement: Enforcement = self._host.sandbox.enforcement()
        if terms.network and enforcement.network == "closed":
            hosts = f"closed but for {', '.join(map(str, terms.network))}"
            enforcement = enforcement.model_copy(update={"network": hosts})
        opened = WorkspaceOpened(
            host_id=self._host.id,
            generation=lease.generation,
            snapshot=snapshot,
            enforcement=enforcement,
            terms=terms,
            adopted=adopted,
        )
        await self._host.journal.record(input.run_id, [NewEvent(key=f"workspace/{lease.generation}", event=opened)])
