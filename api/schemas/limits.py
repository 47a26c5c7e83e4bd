"""Limits as they stand: of a tree of runs, and of a team in a month."""

from datetime import date, datetime

from pydantic import Field

from api.schemas.runs import RUN_ID
from api.schemas.value import View


class AmountView(View):
    turns: int = Field(description="Answers of a model")
    tokens: int = Field(description="Input not served from a cache, plus output")
    cost_usd: float


class BoundsView(View):
    """null does not bind."""

    turns: int | None
    tokens: int | None
    cost_usd: float | None


class AccountView(View):
    """One for a run and all that come of it."""

    id: str = Field(description="The run at the root", examples=[RUN_ID])
    limits: BoundsView
    spent: AmountView
    reserved: AmountView = Field(description="At worst, by the calls that are being made now")
    unpriced: list[str] = Field(description="Models without a known price: a limit of money does not bound them")


class TeamMonthView(View):
    team: str = Field(examples=["web"])
    month: date = Field(description="Its first day", examples=["2031-03-01"])
    resets_at: datetime
    limits: BoundsView
    spent: AmountView
    reserved: AmountView


class RunLimitsView(View):
    run_id: str = Field(examples=[RUN_ID])
    account: AccountView | None = Field(description="null until the first call of a model")
    team: TeamMonthView


class LimitsPage(View):
    """Every team that the caller may see, and that has a limit or has used something in this month."""

    items: list[TeamMonthView]
