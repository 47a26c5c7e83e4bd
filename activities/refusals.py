"""What becomes of a provider's refusal: a wait that can be seen, or the end of the run."""

from datetime import timedelta
from itertools import takewhile
from zlib import crc32

from temporalio import activity

from activities.turns import CallModelInput
from domain.errors import ProviderRefused, ProviderUnavailable, ProviderUnreadable
from domain.event import TurnRefused
from domain.ports import Clock, Journal
from domain.record import NewEvent

LONGEST_WAIT_SECONDS = 120.0
UNREADABLE_ANSWERS = 5
"""An outage passes; a model that answers nonsense so often in a row will go on doing so."""


class Refusals:
    def __init__(self, journal: Journal, clock: Clock) -> None:
        self._journal = journal
        self._clock = clock

    async def note(self, input: CallModelInput, error: ProviderUnavailable) -> ProviderUnavailable | ProviderRefused:
        """Records until when the run waits, so that the wait can be seen; or says that waiting is of no use."""
        attempt = activity.info().attempt
        unreadable = isinstance(error, ProviderUnreadable)
        if unreadable and await self._unreadable(input) >= UNREADABLE_ANSWERS - 1:
            return ProviderRefused(f"{error.message} ({UNREADABLE_ANSWERS} times in a row)", error.next_step)
        wait = error.retry_after_seconds
        if wait is None:
            jitter = 0.75 + crc32(f"{input.run_id}/{attempt}".encode()) % 1000 / 2000
            wait = min(LONGEST_WAIT_SECONDS, 2.0 ** min(attempt - 1, 10)) * jitter
        until = self._clock.now() + timedelta(seconds=wait)
        refused = TurnRefused(turn=input.turn, reason=error.message[:2000], until=until, unreadable=unreadable)
        key = f"turn/{input.turn}/refused/{attempt}"
        await self._journal.record(input.run_id, [NewEvent(key=key, event=refused)])
        return ProviderUnavailable(error.message, error.next_step, retry_after_seconds=wait)

    async def _unreadable(self, input: CallModelInput) -> int:
        """How many answers to this turn, up to the last, could not be used."""
        refused = await self._journal.read(input.run_id, types=("turn_refused",), limit=10_000)
        events = [one.event for one in refused]
        turn = [one for one in events if isinstance(one, TurnRefused) and one.turn == input.turn]
        return sum(1 for _ in takewhile(lambda one: one.unreadable, reversed(turn)))
