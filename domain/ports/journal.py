"""Where events are kept."""

from collections.abc import AsyncIterator, Sequence
from datetime import datetime
from typing import Protocol

from domain.approval import Approval
from domain.fork import CARRIED
from domain.ports.accounts import Accounts
from domain.record import LiveDelta, NewEvent, RecordedEvent
from domain.run import Fork, RunSpec, RunStatus, RunSummary, WaitingFor
from domain.snapshot import SnapshotRef
from domain.value import Value
from domain.workspace import WorkspaceLease


class RunFilter(Value):
    status: RunStatus | None = None
    waiting_for: WaitingFor | None = None
    agent: str | None = None
    repository: str | None = None
    owner: str | None = None
    parent: str | None = None
    label: tuple[str, str] | None = None
    created_after: datetime | None = None
    created_before: datetime | None = None


class Forking(Value):
    """What a fork or a child takes over: its parent's events up to `upto`, of some types."""

    fork: Fork
    upto: int
    answered: int
    """The last turn that was answered there."""
    snapshot: SnapshotRef
    marks: dict[str, str]
    """Keys of the events that its summary is a fold of, by name of the mark."""
    carried: tuple[str, ...] = CARRIED
    """Types of the events that are taken over."""
    events: tuple[NewEvent, ...] = ()
    """Recorded after those."""


class Submission(Value):
    """A new run and the request that asked for it. `idempotency_key` is scoped to the owner."""

    run_id: str
    spec: RunSpec
    model: str
    fallback_models: tuple[str, ...] = ()
    owner: str
    idempotency_key: str | None = None
    request_hash: str = ""
    account: str | None = None
    """Id of any run of the tree whose limits it shares; None: it has its own."""
    forking: Forking | None = None


class RunCount(Value):
    """How many runs of one kind there are, and what they used together. `tokens` are as limits count them."""

    status: RunStatus
    owner: str
    model: str
    runs: int
    tokens: int
    cost_usd: float


class CallCommit(Value):
    """The committing record of a call and what must still be true for it to be accepted."""

    call: str
    attempt: int
    generation: int
    started_from: str
    """Snapshot id that the attempt started from."""
    returned: NewEvent


class RaceStanding(Value):
    """`winner` is None while nobody's checks have passed; `rivals` are all other runs of the race."""

    winner: str | None
    rivals: tuple[str, ...]


class Journal(Accounts, Protocol):
    """Append-only. Raises StorageUnavailable where Postgres cannot be reached, NotFound for an unknown run."""

    async def submit(self, submission: Submission) -> tuple[str, bool]:
        """Records the run, once per idempotency key: its id, and whether it is new. Conflict if the body differs."""
        ...

    async def race(self, race: str, run_id: str, claims: bool) -> RaceStanding:
        """How a race stands; with `claims` the first to ask wins it."""
        ...

    async def unstarted(self, older_than_seconds: float) -> Sequence[str]:
        """Runs submitted and not started: for the sweeper."""
        ...

    async def record(self, run_id: str, events: Sequence[NewEvent]) -> Sequence[RecordedEvent]:
        """Records what is new in one transaction; answers with what stands under each key, in the order given."""
        ...

    async def start_call(self, run_id: str, generation: int, events: Sequence[NewEvent]) -> Sequence[RecordedEvent]:
        """Like `record`, for what begins an attempt. Fenced where the workspace was opened again since."""
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

    async def keep_setup(self, key: str, run_id: str) -> None:
        """Remembers the run's setup call as the one that others may take over; the last one counts."""
        ...

    async def find_setup(self, key: str, within_seconds: float) -> RecordedEvent | None:
        """The `returned` of the remembered setup call, where it is no older than that and its run is still kept."""
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

    async def run_counts(self) -> Sequence[RunCount]:
        """All runs by status, owner and model."""
        ...

    async def approvals(
        self, status: str | None, limit: int, cursor: str | None, run_id: str | None = None
    ) -> tuple[Sequence[Approval], str | None]:
        """`status` is "pending", "decided" or None for all."""
        ...

    async def delete(self, run_id: str, by: str) -> None:
        """Removes all that is recorded of a run. Raises NotFound, and Conflict where the run has not ended."""
        ...

    async def expired(self, older_than_seconds: float, limit: int) -> Sequence[str]:
        """Runs that ended so long ago, the longest gone first."""
        ...

    def references(self) -> AsyncIterator[tuple[str, bool]]:
        """Every address in the blob store that a run's record names, and whether it is the body of an event."""
        ...

    async def uncollected(self) -> int:
        """How many runs were deleted whose contents may still lie in the blob store."""
        ...

    async def collected(self, older_than_seconds: float) -> None:
        """Nothing is left of the runs that were deleted so long ago."""
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
