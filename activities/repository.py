"""Taking work out: a commit made in the sandbox, carried over as a checked pack, pushed once."""

from temporalio import activity

from activities.effects import Effects
from activities.host import Host
from activities.waits import shown
from domain.dossier import Dossier
from domain.effect import Effect, Receipt, request_hash
from domain.errors import NotFound, WorkRefused
from domain.event import WorkCommitted
from domain.ports import Snapshots
from domain.pull_request import harmless
from domain.record import NewEvent
from domain.repository import CommitSpec, PublishedWork, ResolvedRepository, branch_name
from domain.sandbox import MIRROR_PATH, Command, CommandResult, ReadOnlyMount
from domain.secrets import Mask
from domain.terms import Terms
from domain.value import Value
from domain.workspace import AttemptLayers, WorkspaceLease, WorkspaceRef

NOTHING_TO_COMMIT = 9
"""Exit status of the commit command where the tree is that of the base."""

REFUSED = 10
"""And where what is there cannot be committed, whoever tries."""

PUSH = "effect/push"


class CommitWorkInput(Value):
    run_id: str
    workspace: WorkspaceRef
    agent: str
    number: int = 1


class CommitWorkResult(Value):
    """`commit` is None where there was nothing to commit."""

    commit: str | None = None
    branch: str = ""
    files: int = 0
    asks: bool = False
    """A rule wants a person's word before the work leaves: the journal's findings say why."""


class PushBranchInput(Value):
    run_id: str


class RepositoryActivities:
    def __init__(self, host: Host, snapshots: Snapshots) -> None:
        self._host = host
        self._snapshots = snapshots
        self._effects = Effects(host.journal, host.dossiers)

    @activity.defn
    async def commit_work(self, input: CommitWorkInput) -> CommitWorkResult:
        """The same snapshot always makes the same commit: its author, message and dates come from the run."""
        recorded = await self._host.journal.find(input.run_id, f"work/{input.number}")
        if recorded is not None and isinstance(recorded.event, WorkCommitted):
            return _told(recorded.event.work)
        dossier = await self._host.dossiers.of(input.run_id)
        repository = _repository(dossier)
        work = await self._make(input, dossier, repository)
        if work is None:
            return CommitWorkResult()
        event = WorkCommitted(work=work)
        await self._host.journal.record(input.run_id, [NewEvent(key=f"work/{input.number}", event=event)])
        return _told(work)

    async def _make(
        self, input: CommitWorkInput, dossier: Dossier, repository: ResolvedRepository
    ) -> PublishedWork | None:
        lease = WorkspaceLease(**input.workspace.model_dump(exclude={"released"}), snapshot=dossier.snapshot)
        # On disk, since git needs room to work in; what it leaves is thrown away.
        call = f"publish/{input.number}/call/0"
        attempt = activity.info().attempt
        await self._host.workspaces.discard(lease.workspace_id, call, attempt)
        layers = await self._host.workspaces.begin(lease, call, attempt)
        spec = commit_spec(dossier, self._host.mask)
        pack = self._host.outputs.scratch(input.run_id, f"commit-{input.number}")
        command = self._command(input, repository, spec, layers, dossier.terms).model_copy(
            update={"output_path": str(pack)}
        )
        try:
            result = await self._host.sandbox.run(command)
            await self._host.workspaces.discard(lease.workspace_id, call, attempt + 1)
            repositories, rules = self._host.repositories, self._host.site.publish
            if is_broken(result) and dossier.snapshot is not None:
                commit = await repositories.assemble(repository, dossier.snapshot, self._snapshots, spec, pack)
            else:
                commit = _made(result, command.limits.output_bytes)
            return await repositories.take_in(repository, pack, commit, spec, rules) if commit else None
        finally:
            pack.unlink(missing_ok=True)

    def _command(
        self,
        input: CommitWorkInput,
        repository: ResolvedRepository,
        spec: CommitSpec,
        layers: AttemptLayers,
        terms: Terms,
    ) -> Command:
        template = self._host.repositories.commit_command(repository.commit, spec)
        mirror = ReadOnlyMount(source=str(self._host.repositories.mirror(repository)), target=MIRROR_PATH)
        return template.model_copy(
            update={
                "mounts": (*layers.mounts, mirror),
                "limits": terms.limits.model_copy(update={"output_bytes": template.limits.output_bytes}),
                "run_id": input.run_id,
                "image": terms.image,
                "name": f"{input.run_id}-commit-{input.number}",
            }
        )

    @activity.defn
    async def push_branch(self, input: PushBranchInput) -> None:
        """Intent, probe, act, receipt: an attempt that died after the push is found by the probe."""
        async with shown(self._host.journal, input.run_id):
            await self._push(input)

    async def _push(self, input: PushBranchInput) -> None:
        dossier = await self._host.dossiers.of(input.run_id)
        repository = _repository(dossier)
        (committed,) = (await self._host.journal.read(input.run_id, types=("work_committed",)))[-1:]
        assert isinstance(committed.event, WorkCommitted)
        work = committed.event.work
        receipt: Receipt = {"commit": work.commit}
        effect = Effect(
            key=PUSH,
            kind="push",
            target=work.branch,
            about=f"commit {work.commit[:12]} to {repository.url}",
            request=request_hash(repository.url, work.branch, work.commit),
        )

        async def probe() -> Receipt | None:
            stands = await self._host.repositories.remote_commit(repository, work.branch)
            return receipt if stands == work.commit else None

        async def act() -> Receipt:
            await self._host.repositories.push(repository, work)
            return receipt

        await self._effects.perform(input.run_id, effect, act, probe)


def is_broken(result: CommandResult) -> bool:
    """Whether git failed in the sandbox by itself: neither done, nor refused, nor too large."""
    if result.ended in ("output_limit", "cancelled"):
        return False
    return result.exit_code not in (0, NOTHING_TO_COMMIT, REFUSED) or not (result.exit_code or result.report)


def _made(result: CommandResult, most_bytes: int) -> str | None:
    """The commit that was made; None where there was nothing to commit."""
    if result.exit_code == NOTHING_TO_COMMIT:
        return None
    kept = "The run's files are kept: see its diff and files. Start a run whose task says what to leave out."
    if result.ended == "output_limit":
        raise WorkRefused(f"The work is larger than {most_bytes // 1024**2} MiB as a git pack.", kept)
    reported = result.report.decode(errors="replace").split()
    if result.exit_code != 0 or not reported:
        said = (result.head + result.tail).decode(errors="replace")[-2000:].strip()
        raise WorkRefused(f"The work could not be committed: {said}", kept)
    return reported[0]


def commit_spec(dossier: Dossier, mask: Mask) -> CommitSpec:
    """A subject of at most 72 characters from the task, and what the agent says of its work."""
    task = mask.text(dossier.spec.task)
    lines = task.strip().splitlines()
    subject = lines[0].strip()[:72] if lines else "Work"
    finished = [one for one in dossier.returned.values() if one.finished and one.name == "finish"]
    # What the model wrote reaches the default branch with a merge: it must close no issue there.
    summary = harmless(mask.text(finished[-1].result.text.strip())) if finished else ""
    message = "\n\n".join(part for part in (subject, summary, f"Perdure-Run: {dossier.run_id}") if part)
    return CommitSpec(
        message=mask.text(message) + "\n",
        unix_time=int(dossier.submitted_at.timestamp()),
        branch=branch_name(task, dossier.run_id),
    )


def _repository(dossier: Dossier) -> ResolvedRepository:
    if dossier.repository is None:
        raise NotFound(f"run {dossier.run_id} has no repository")
    return dossier.repository


def _told(work: PublishedWork) -> CommitWorkResult:
    return CommitWorkResult(commit=work.commit, branch=work.branch, files=work.files, asks=work.asks)
