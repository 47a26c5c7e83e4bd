"""Where limits are kept: reserved before a call of a model, settled after it."""

from collections.abc import Sequence
from datetime import date
from typing import Protocol

from domain.account import Account, Admission, Amount, Raise, TeamMonth, Wanted
from domain.record import NewEvent, RecordedEvent


class Accounts(Protocol):
    """Every method is one transaction. Raises StorageUnavailable, and NotFound for an unknown run."""

    async def admit(self, wanted: Wanted) -> Admission:
        """Reserves the worst case of one call, in place of what its key has reserved before; or refuses it."""
        ...

    async def settle(self, wanted: Wanted, used: Amount, events: Sequence[NewEvent]) -> Sequence[RecordedEvent]:
        """Records the turn of `wanted.key` with what goes with it, and counts `used` in place of what was reserved:
        once, whoever comes second. Answers as `Journal.record` does, and with nothing while another attempt's
        question may be leaving."""
        ...

    async def release(self, wanted: Wanted) -> None:
        """Gives back what this attempt reserved for a call that nothing came of."""
        ...

    async def raise_account(self, run_id: str, wanted: Raise) -> Account | None:
        """Of the whole tree of the run; None where it has made no call yet. Saying it again changes nothing."""
        ...

    async def raise_month(self, team: str, month: date, wanted: Raise) -> TeamMonth: ...

    async def account(self, run_id: str) -> Account | None:
        """That of the tree of the run; None where it has made no call yet."""
        ...

    async def months(self, month: date) -> Sequence[TeamMonth]:
        """All teams that used something in the month, by name."""
        ...

    async def waiting_beside(self, run_id: str) -> Sequence[tuple[str, str]]:
        """Run and approval of those of the same tree that wait for a word on their limit."""
        ...
