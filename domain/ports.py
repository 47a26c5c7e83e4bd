"""What the rooms of activities and api ask of the world; adapters answer, `worker.py` joins the two."""

from collections.abc import AsyncIterator, Awaitable, Callable, Mapping, Sequence
from datetime import datetime
from pathlib import Path
from typing import Protocol

from domain.approval import Approval
from domain.event import LiveDelta, NewEvent, RecordedEvent
from domain.model import ModelAnswer, ModelRequest, Price
from domain.repository import CommitSpec, PublishedWork, RepositorySpec, ResolvedRepository
from domain.run import RunSpec, RunStatus, RunSummary, WaitingFor
from domain.sandbox import Check, Command, CommandResult, Enforcement
from domain.snapshot import Manifest, SnapshotRef
from domain.value import Value
from domain.workspace import AttemptLayers, BaseSpec, FileChange, SealedAttempt, WorkspaceLease


class RunFilter(Value):
    status: RunStatus | None = None
    waiting_for: WaitingFor | None = None
    agent: str | None = None
    repository: str | None = None
    owner: str | None = None
    label: tuple[str, str] | None = None
    created_after: datetime | None = None
    created_before: datetime | None = None


class Submission(Value):
    """A new run and the request that asked for it. `idempotency_key` is scoped to the owner."""

    run_id: str
    spec: RunSpec
    model: str
    owner: str
    idempotency_key: str | None = None
    request_hash: str = ""


class CallCommit(Value):
    """The committing record of a call and what must still be true for it to be accepted."""

    call: str
    attempt: int
    generation: int
    started_from: str
    """Snapshot id that the attempt started from."""
    returned: NewEvent


class Journal(Protocol):
    """Append-only. Raises StorageUnavailable where Postgres cannot be reached, NotFound for an unknown run."""

    async def submit(self, submission: Submission) -> tuple[str, bool]:
        """Records the run, once per idempotency key: its id, and whether it is new. Conflict if the body differs."""
        ...

    async def unstarted(self, older_than_seconds: float) -> Sequence[str]:
        """Runs submitted and not started: for the sweeper."""
        ...

    async def record(self, run_id: str, events: Sequence[NewEvent]) -> Sequence[RecordedEvent]:
        """Records what is new in one transaction; answers with what stands under each key, in the order given."""
        ...

    async def find(self, run_id: str, key: str) -> RecordedEvent | None: ...

    async def read(
        self, run_id: str, after: int = 0, limit: int = 1000, types: Sequence[str] = ()
    ) -> Sequence[RecordedEvent]:
        """Events with seq > after, oldest first; `types` (the `type` of events) narrows."""
        ...

    async def take_workspace(self, run_id: str, host_id: str) -> WorkspaceLease:
        """Raises the generation, sets the host, answers with the committed snapshot: one statement."""
        ...

    async def settle_base(self, lease: WorkspaceLease, base: SnapshotRef) -> SnapshotRef:
        """Sets the snapshot of a workspace that has none; answers with the committed one. Fenced if superseded."""
        ...

    async def lease(self, run_id: str) -> WorkspaceLease | None:
        """The workspace as it stands, without raising anything."""
        ...

    async def attempts(self, run_id: str, call: str) -> tuple[int, RecordedEvent | None]:
        """The newest attempt of a call (0 for none) and its `returned`, if it has one."""
        ...

    async def commit_call(self, run_id: str, commit: CallCommit) -> RecordedEvent:
        """Records `returned` if generation, snapshot and newest attempt still hold, and moves the workspace's
        snapshot on. Answers with what stands under the key; Fenced where the conditions fail and nothing stands."""
        ...

    async def summary(self, run_id: str) -> RunSummary: ...

    async def summaries(
        self, wanted: RunFilter, limit: int, cursor: str | None
    ) -> tuple[Sequence[RunSummary], str | None]:
        """Newest first, and the cursor of the next page."""
        ...

    async def approvals(self, status: str | None, limit: int, cursor: str | None, run_id: str | None = None
                        ) -> tuple[Sequence[Approval], str | None]:
        """`status` is "pending", "decided" or None for all."""
        ...

    async def send_live(self, delta: LiveDelta) -> None:
        """To whoever follows just now; never stored."""
        ...

    def follow(self, run_id: str, after: int) -> AsyncIterator[RecordedEvent | LiveDelta]:
        """Everything after `after`, then what comes, until the caller stops or the run has ended."""
        ...

    async def check(self) -> None:
        """Raises StorageUnavailable where it cannot answer."""
        ...


class Blobs(Protocol):
    """Content by its sha256 (hex). Immutable; putting twice is putting once. Raises StorageUnavailable, OutOfSpace."""

    async def put(self, content: bytes) -> str: ...

    async def put_file(self, path: Path) -> str: ...

    async def get(self, address: str) -> bytes: ...

    async def get_range(self, address: str, start: int, length: int) -> bytes: ...

    async def get_file(self, address: str, path: Path) -> None: ...

    async def has(self, address: str) -> bool: ...


class Model(Protocol):
    """One provider. Raises ProviderUnavailable (retry), ContextTooLong, ProviderRefused (stop)."""

    async def answer(
        self, request: ModelRequest, on_delta: Callable[[str, str], Awaitable[None]] | None = None
    ) -> ModelAnswer:
        """`on_delta(kind, text)` is awaited as tokens come; kinds as in LiveDelta."""
        ...

    async def close(self) -> None: ...


class Models(Protocol):
    def get(self, name: str) -> tuple[Model, str]:
        """The provider of `provider:model` and the model's own name. Raises ProviderRefused with what to set."""
        ...

    def price(self, name: str) -> Price: ...


class Sandbox(Protocol):
    async def run(
        self, command: Command, on_output: Callable[[bytes], Awaitable[None]] | None = None
    ) -> CommandResult:
        """Runs one command; no process of it is left afterwards, also when this call is cancelled."""
        ...

    async def kill(self, name_prefix: str) -> None:
        """Kills whatever is left of commands whose name starts so (in-doubt attempts)."""
        ...

    def enforcement(self) -> Enforcement: ...

    async def doctor(self) -> Sequence[Check]:
        """Tries each mechanism for real."""
        ...


class Workspaces(Protocol):
    """The files of the runs on this host. One lock per workspace: reads share it, apply holds it alone."""

    async def open(self, lease: WorkspaceLease, base: BaseSpec, base_path: Path) -> tuple[SnapshotRef, bool]:
        """Brings this host's copy to the lease's snapshot (the bare base where that is None). `base_path` is the
        cached checkout. Answers with the snapshot it stands at, and whether the host's own copy was adopted."""
        ...

    async def begin(self, lease: WorkspaceLease, call: str, attempt: int) -> AttemptLayers:
        """Brings the base to the committed snapshot, then makes fresh upper directories. Fenced if not open here."""
        ...

    async def read_mounts(self, lease: WorkspaceLease) -> AttemptLayers:
        """The workspace as committed, read-only."""
        ...

    async def seal(self, lease: WorkspaceLease, layers: AttemptLayers) -> SealedAttempt:
        """Scans the attempt into a delta and stores it as one pack. Raises OutOfSpace."""
        ...

    async def apply(self, lease: WorkspaceLease, sealed: SealedAttempt) -> None:
        """After the commit: merges the attempt into the base. Idempotent at any point of death."""
        ...

    async def discard(self, workspace_id: str, call: str, before_attempt: int) -> None:
        """Removes what attempts of a call with a lower number left."""
        ...

    async def sweep(self) -> None:
        """At start: removes attempts that nobody owns."""
        ...


class Snapshots(Protocol):
    """Snapshots from the blob store alone: any host, running or not."""

    async def manifest(self, ref: SnapshotRef) -> Manifest: ...

    async def read(self, ref: SnapshotRef, path: str) -> bytes | None:
        """A file that was changed since the base; None where the manifest does not name it."""
        ...

    async def changes(self, ref: SnapshotRef) -> Sequence[FileChange]:
        """Changed regular files of /workspace against the base, without incidental ones and without .git."""
        ...


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

    async def take_in(self, repository: ResolvedRepository, pack: Path, commit: CommitSpec) -> PublishedWork:
        """Checks the pack in a clean bare repository, stores it and the diff. WorkRefused says what is wrong."""
        ...

    async def remote_commit(self, repository: ResolvedRepository, branch: str) -> str | None:
        """The probe: where the branch stands at the origin."""
        ...

    async def push(self, repository: ResolvedRepository, work: PublishedWork) -> None:
        """Pushes with a lease on the branch not existing. Idempotent. RemoteUnavailable, RepositoryRefused."""
        ...


class LiveTasks(Protocol):
    """Task tokens of running activities, kept where the next start of the worker finds them."""

    def hold(self, token: bytes) -> None: ...

    def release(self, token: bytes) -> None: ...


class Prompts(Protocol):
    def instructions(self, name: str) -> str: ...


class Clock(Protocol):
    def now(self) -> datetime: ...


Environment = Mapping[str, str]
