"""The journal in Postgres: its tables joined behind one port."""

from collections.abc import AsyncIterator, Sequence
from datetime import date

from adapters.journal.approvals import ApprovalTable
from adapters.journal.bodies import Bodies
from adapters.journal.connections import Connections, Pool, open_pool
from adapters.journal.deletions import DeletionTable
from adapters.journal.events import EventTable
from adapters.journal.follow import Following
from adapters.journal.forks import ForkTable
from adapters.journal.limits import LimitTable
from adapters.journal.listener import Listener
from adapters.journal.runs import RunTable
from adapters.journal.setups import SetupTable
from adapters.journal.statements import statements
from adapters.journal.tokens import TokenTable
from adapters.journal.weather import WeatherTable
from adapters.journal.workers import WorkerTable
from adapters.journal.workspaces import WorkspaceTable
from domain.account import Account, Admission, Amount, Raise, TeamMonth, Wanted
from domain.approval import Approval
from domain.masking import masked_commit, masked_event, masked_live, masked_submission
from domain.ports.files import Blobs
from domain.ports.journal import CallCommit, RaceStanding, RunCount, RunFilter, Submission
from domain.record import LiveDelta, NewEvent, RecordedEvent
from domain.run import RunSummary
from domain.secrets import Mask
from domain.snapshot import SnapshotRef
from domain.workspace import WorkspaceLease


class PostgresJournal:
    """`domain.ports.Journal`, and the API's tokens. Every call is one statement, which is one transaction.

    Known secrets of `mask` are hidden in whatever is recorded or shown: this is the one way into the journal.
    """

    def __init__(self, pool: Pool, blobs: Blobs, mask: Mask | None = None) -> None:
        self._mask = mask or Mask()
        self._connections = Connections(pool)
        bodies = Bodies(blobs)
        self._listener = Listener(pool.conninfo if isinstance(pool.conninfo, str) else "")
        self._events = EventTable(self._connections, bodies)
        self._limits = LimitTable(self._connections, self._events)
        self._forks = ForkTable(self._connections, bodies)
        self._runs = RunTable(self._connections, bodies, self._forks)
        self._workspaces = WorkspaceTable(self._connections)
        self._approvals = ApprovalTable(self._connections, bodies)
        self._setups = SetupTable(self._connections, bodies)
        self._deletions = DeletionTable(self._connections)
        self._tokens = TokenTable(self._connections)
        self.weather = WeatherTable(self._connections, self._mask)
        """`domain.ports.SharedWeather`: what runs tell each other of providers."""
        self.workers = WorkerTable(self._connections)
        self._following = Following(self._connections, self._events, self._listener)

    @classmethod
    async def connect(cls, dsn: str, blobs: Blobs, size: int = 10, mask: Mask | None = None) -> "PostgresJournal":
        """At most `size` connections, and one more while somebody follows a run. Raises StorageUnavailable."""
        return cls(await open_pool(dsn, size), blobs, mask)

    async def close(self) -> None:
        await self._listener.close()
        await self._connections.pool.close()

    async def submit(self, submission: Submission) -> tuple[str, bool]:
        return await self._runs.submit(masked_submission(submission, self._mask))

    async def race(self, race: str, run_id: str, claims: bool) -> RaceStanding:
        return await self._forks.race(race, run_id, claims)

    async def unstarted(self, older_than_seconds: float) -> Sequence[str]:
        return await self._runs.unstarted(older_than_seconds)

    async def record(self, run_id: str, events: Sequence[NewEvent]) -> Sequence[RecordedEvent]:
        return await self._events.record(run_id, [masked_event(one, self._mask) for one in events])

    async def admit(self, wanted: Wanted) -> Admission:
        return await self._limits.admit(wanted)

    async def settle(self, wanted: Wanted, used: Amount, events: Sequence[NewEvent]) -> Sequence[RecordedEvent]:
        return await self._limits.settle(wanted, used, [masked_event(one, self._mask) for one in events])

    async def release(self, wanted: Wanted) -> None:
        await self._limits.release(wanted)

    async def raise_account(self, run_id: str, wanted: Raise) -> Account | None:
        return await self._limits.raise_account(run_id, wanted)

    async def raise_month(self, team: str, month: date, wanted: Raise) -> TeamMonth:
        return await self._limits.raise_month(team, month, wanted)

    async def account(self, run_id: str) -> Account | None:
        return await self._limits.account(run_id)

    async def months(self, month: date) -> Sequence[TeamMonth]:
        return await self._limits.months(month)

    async def waiting_beside(self, run_id: str) -> Sequence[tuple[str, str]]:
        return await self._limits.waiting_beside(run_id)

    async def start_call(self, run_id: str, generation: int, events: Sequence[NewEvent]) -> Sequence[RecordedEvent]:
        return await self._events.start(run_id, generation, [masked_event(one, self._mask) for one in events])

    async def find(self, run_id: str, key: str) -> RecordedEvent | None:
        return await self._events.find(run_id, key)

    async def read(
        self, run_id: str, after: int = 0, limit: int = 1000, types: Sequence[str] = ()
    ) -> Sequence[RecordedEvent]:
        return await self._events.read(run_id, after, limit, types)

    async def take_workspace(self, run_id: str, host_id: str) -> WorkspaceLease:
        return await self._workspaces.take(run_id, host_id)

    async def settle_base(self, lease: WorkspaceLease, base: SnapshotRef) -> SnapshotRef:
        return await self._workspaces.settle_base(lease, base)

    async def lease(self, run_id: str) -> WorkspaceLease | None:
        return await self._workspaces.lease(run_id)

    async def keep_setup(self, key: str, run_id: str) -> None:
        await self._setups.keep(key, run_id)

    async def find_setup(self, key: str, within_seconds: float) -> RecordedEvent | None:
        return await self._setups.find(key, within_seconds)

    async def attempts(self, run_id: str, call: str) -> tuple[int, RecordedEvent | None]:
        return await self._events.attempts(run_id, call)

    async def commit_call(self, run_id: str, commit: CallCommit) -> RecordedEvent:
        return await self._events.commit(run_id, masked_commit(commit, self._mask))

    async def summary(self, run_id: str) -> RunSummary:
        return await self._runs.summary(run_id)

    async def summaries(
        self, wanted: RunFilter, limit: int, cursor: str | None
    ) -> tuple[Sequence[RunSummary], str | None]:
        return await self._runs.summaries(wanted, limit, cursor)

    async def run_counts(self) -> Sequence[RunCount]:
        rows = await self._connections.rows(statements("counts")["runs"], {})
        fields = ("status", "owner", "model", "runs", "tokens", "cost_usd")
        return [RunCount.model_validate(dict(zip(fields, row, strict=True))) for row in rows]

    async def approvals(
        self, status: str | None, limit: int, cursor: str | None, run_id: str | None = None
    ) -> tuple[Sequence[Approval], str | None]:
        return await self._approvals.page(status, limit, cursor, run_id)

    async def send_live(self, delta: LiveDelta) -> None:
        await self._following.send_live(masked_live(delta, self._mask))

    def follow(self, run_id: str, after: int) -> AsyncIterator[RecordedEvent | LiveDelta]:
        return self._following.follow(run_id, after)

    async def check(self) -> None:
        await self._connections.rows(statements("live")["check"], {})

    async def delete(self, run_id: str, by: str) -> None:
        await self._deletions.delete(run_id, by)

    async def expired(self, older_than_seconds: float, limit: int) -> Sequence[str]:
        return await self._deletions.expired(older_than_seconds, limit)

    def references(self) -> AsyncIterator[tuple[str, bool]]:
        return self._deletions.references()

    async def uncollected(self) -> int:
        return await self._deletions.uncollected()

    async def collected(self, older_than_seconds: float) -> None:
        await self._deletions.collected(older_than_seconds)

    async def add_token(self, token: str, owner: str, role: str, name: str) -> None:
        """Adding it again changes owner and role."""
        await self._tokens.add(token, owner, role, name)

    async def owner_of(self, token: str) -> tuple[str, str] | None:
        """(owner, role), or None for a token that nobody was given."""
        return await self._tokens.owner_of(token)
