"""One connection per process that hears what Postgres announces, and hands it to whoever follows that run."""

import asyncio
from collections import defaultdict, deque
from contextlib import suppress

import psycopg
from psycopg.conninfo import make_conninfo

from domain.record import LiveDelta

EVENTS, LIVE = "perdure_events", "perdure_live"
_KEPT_DELTAS = 2000
_RECONNECT_SECONDS = (0.05, 0.2, 0.5, 1.0, 2.0)


class Follower:
    """What one reader of one run has not seen yet. A reader that is too slow loses live text, never events."""

    def __init__(self) -> None:
        self.changed = True
        self.deltas: deque[LiveDelta] = deque(maxlen=_KEPT_DELTAS)
        self._woken = asyncio.Event()

    def wake(self) -> None:
        self.changed = True
        self._woken.set()

    def hear(self, delta: LiveDelta) -> None:
        self.deltas.append(delta)
        self._woken.set()

    async def wait(self, poll_seconds: float) -> None:
        """Until something is new. Looks by itself after `poll_seconds`, should an announcement have been lost."""
        try:
            async with asyncio.timeout(poll_seconds):
                await self._woken.wait()
        except TimeoutError:
            self.changed = True
        self._woken.clear()


class Listener:
    def __init__(self, dsn: str) -> None:
        self._dsn = dsn
        self._followers: defaultdict[str, set[Follower]] = defaultdict(set)
        self._task: asyncio.Task[None] | None = None

    def subscribe(self, run_id: str) -> Follower:
        """Subscribe first, read the table then: so nothing falls between the two."""
        follower = Follower()
        self._followers[run_id].add(follower)
        if self._task is None:
            self._task = asyncio.create_task(self._listen(), name="journal listener")
        return follower

    def unsubscribe(self, run_id: str, follower: Follower) -> None:
        self._followers[run_id].discard(follower)
        if not self._followers[run_id]:
            del self._followers[run_id]

    async def close(self) -> None:
        if self._task is not None:
            self._task.cancel()
            with suppress(asyncio.CancelledError):
                await self._task
            self._task = None

    async def _listen(self) -> None:
        # A connection that died without a word is noticed within half a minute.
        dsn = make_conninfo(self._dsn, keepalives_idle=10, keepalives_interval=5, keepalives_count=3, connect_timeout=5)
        failures = 0
        while True:
            try:
                async with await psycopg.AsyncConnection.connect(
                    dsn, autocommit=True, application_name="perdure listener"
                ) as connection:
                    await connection.execute(f"LISTEN {EVENTS}".encode())
                    await connection.execute(f"LISTEN {LIVE}".encode())
                    failures = 0
                    self._wake_all()
                    async for announced in connection.notifies():
                        self._hand_out(announced)
            except psycopg.Error:
                # Followers look for themselves meanwhile, and are woken when it is back.
                await asyncio.sleep(_RECONNECT_SECONDS[min(failures, len(_RECONNECT_SECONDS) - 1)])
                failures += 1

    def _wake_all(self) -> None:
        for followers in self._followers.values():
            for follower in followers:
                follower.wake()

    def _hand_out(self, announced: psycopg.Notify) -> None:
        run_id, *rest = announced.payload.split(" ", 2)
        followers = self._followers.get(run_id)
        if not followers:
            return
        if announced.channel == EVENTS:
            for follower in followers:
                follower.wake()
        else:
            heard = LiveDelta.model_validate_json(rest[1])
            for follower in followers:
                follower.hear(heard)
