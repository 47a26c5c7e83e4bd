"""Accounts and months of teams, as clients are shown them."""

from collections.abc import Sequence
from datetime import UTC, datetime

from api.auth import Caller
from api.parts import ApiParts
from api.schemas.limits import AccountView, AmountView, BoundsView, RunLimitsView, TeamMonthView
from domain.account import Account, Bounds, TeamMonth, effective, month_of
from domain.run import RunSummary
from domain.terms import DEFAULT_TEAM, Site, team_of


async def run_limits(run: RunSummary, parts: ApiParts) -> tuple[Account | None, TeamMonth]:
    """Of its tree and of its team, the month's bounds with those of the site."""
    name, rules = team_of(parts.site, run.owner)
    this = month_of(datetime.now(UTC))
    found = {one.team: one for one in await parts.journal.months(this)}
    month = found.get(name) or TeamMonth(team=name, month=this)
    month = month.model_copy(update={"bounds": effective(rules.bounds, month.bounds)})
    return await parts.journal.account(run.run_id), month


async def team_months(caller: Caller, parts: ApiParts) -> Sequence[TeamMonth]:
    """By name; who sees their own runs only sees their own team only."""
    this = month_of(datetime.now(UTC))
    found = {one.team: one for one in await parts.journal.months(this)}
    own = team_of(parts.site, caller.owner)[0]
    names = {*found, *(name for name in parts.site.teams if name != DEFAULT_TEAM)}
    wanted = [own] if caller.role == "submitter" else sorted(names)
    months = [found.get(name) or TeamMonth(team=name, month=this) for name in wanted]
    return [one.model_copy(update={"bounds": effective(_bounds(parts.site, one.team), one.bounds)}) for one in months]


def run_limits_view(run_id: str, account: Account | None, month: TeamMonth) -> RunLimitsView:
    return RunLimitsView(run_id=run_id, account=account_view(account) if account else None, team=team_month_view(month))


def account_view(account: Account) -> AccountView:
    return AccountView(
        id=account.account_id,
        limits=BoundsView.model_validate(account.bounds.model_dump()),
        spent=AmountView.model_validate(account.spent.model_dump()),
        reserved=AmountView.model_validate(account.reserved.model_dump()),
        unpriced=list(account.unpriced),
    )


def team_month_view(month: TeamMonth) -> TeamMonthView:
    return TeamMonthView(
        team=month.team,
        month=month.month,
        resets_at=month.ends,
        limits=BoundsView.model_validate(month.bounds.model_dump()),
        spent=AmountView.model_validate(month.spent.model_dump()),
        reserved=AmountView.model_validate(month.reserved.model_dump()),
    )


def _bounds(site: Site, team: str) -> Bounds:
    rules = site.teams.get(team) or site.teams.get(DEFAULT_TEAM)
    return rules.bounds if rules else Bounds()
