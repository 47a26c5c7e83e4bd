"""What a tree of runs, and what a team in a month, may use, has used, and has in hand for calls that are being made."""

from datetime import UTC, date, datetime
from typing import Literal

from pydantic import Field

from domain.limits import NEARLY, Limits
from domain.value import Value

BoundName = Literal["turns", "tokens", "cost_usd"]
Scope = Literal["run", "team"]


class Amount(Value):
    """In the units of `Limits`."""

    turns: int = 0
    tokens: int = 0
    cost_usd: float = 0.0


class Bounds(Value):
    """None does not bind."""

    turns: int | None = None
    tokens: int | None = None
    cost_usd: float | None = None


class Account(Value):
    """One for a run and all that come of it; `account_id` is the id of the run at the root."""

    account_id: str
    bounds: Bounds
    spent: Amount = Amount()
    reserved: Amount = Amount()
    unpriced: tuple[str, ...] = ()
    """Models that were asked without a known price: `cost_usd` does not bound what they cost."""

    def nearly_used_up(self) -> bool:
        """Whether the call that is being made is the last one, or a tenth of another bound is left."""
        most, spent = self.bounds, self.spent
        last = most.turns is not None and spent.turns + self.reserved.turns >= most.turns
        shares = [
            spent.tokens / most.tokens if most.tokens else 0,
            spent.cost_usd / most.cost_usd if most.cost_usd else 0,
        ]
        return last or max(shares) >= NEARLY


class TeamMonth(Value):
    """What a team used in one month of the calendar (UTC)."""

    team: str
    month: date
    """Its first day."""
    bounds: Bounds = Bounds()
    """As an admin raised them for this month; the site's file says the others."""
    spent: Amount = Amount()
    reserved: Amount = Amount()

    @property
    def ends(self) -> datetime:
        first = self.month.replace(day=1)
        return datetime(first.year + first.month // 12, first.month % 12 + 1, 1, tzinfo=UTC)


class Wanted(Value):
    """One call of a model, as it would be at worst."""

    run_id: str
    key: str
    """Of the turn: whoever asks again for the same one replaces what was reserved for it."""
    attempt: int = 1
    """Gives back only what it has reserved itself."""
    amount: Amount
    limits: Limits
    """Of the account, where this is its first call."""
    team: str
    month: date
    team_bounds: Bounds = Bounds()
    unpriced: str | None = None
    """The model, where its price is not known."""
    asker: str = ""
    """Who asks: another one for each attempt, wherever it is made."""
    asking_seconds: float = 0.0
    """How long its question may still leave: no other attempt asks, or records an answer, meanwhile."""


class Admission(Value):
    """`held`: nothing is left beside what others have reserved, but they may use less. `used_up`: nothing is left.
    `asking`: another attempt's question may be leaving. `answered`: the turn is recorded."""

    verdict: Literal["admitted", "held", "used_up", "asking", "answered"]
    scope: Scope | None = None
    """Whose limit refused it."""
    limit: BoundName | None = None
    account: Account
    month: TeamMonth


class Refusal(Value):
    """Why a turn was not asked for, as a person has to know it to decide."""

    scope: Scope
    limit: BoundName | Literal["seconds"]
    bounds: Bounds = Bounds()
    """Those that refused it, of the account or of the team's month."""
    spent: Amount = Amount()
    team: str | None = None
    month: date | None = None
    until: datetime | None = None
    """When it ends by itself."""


class TeamLimits(Value):
    """Of one month of the calendar (UTC); None does not bind."""

    monthly_cost_usd: float | None = Field(default=None, gt=0)
    monthly_tokens: int | None = Field(default=None, ge=1)

    @property
    def bounds(self) -> Bounds:
        return Bounds(tokens=self.monthly_tokens, cost_usd=self.monthly_cost_usd)


class Raise(Value):
    """New bounds, by name: as they are said, or, unless `exactly`, where they are higher than what holds."""

    bounds: dict[BoundName, float | None] = Field(min_length=1)
    exactly: bool = False


def month_of(at: datetime) -> date:
    return at.astimezone(UTC).date().replace(day=1)


def effective(site: Bounds, raised: Bounds) -> Bounds:
    """The site's bounds, or where an admin raised them for the month, those."""

    def higher(most: float | None, by_admin: float | None) -> float | None:
        return most if most is None or by_admin is None else max(most, by_admin)

    return Bounds.model_validate(
        {name: higher(getattr(site, name), getattr(raised, name)) for name in Bounds.model_fields}
    )
