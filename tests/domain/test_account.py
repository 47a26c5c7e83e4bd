from datetime import UTC, date, datetime, timedelta, timezone
from typing import Any

import pytest

from domain.account import Account, Amount, Bounds, TeamMonth, effective, month_of


@pytest.mark.parametrize(
    ("bounds", "spent", "nearly"),
    [
        ({"turns": 3}, {"turns": 1}, False),
        ({"turns": 3}, {"turns": 2}, True),
        ({"turns": 1}, {}, True),
        ({"tokens": 100}, {"tokens": 89}, False),
        ({"tokens": 100}, {"tokens": 90}, True),
        ({"cost_usd": 1.0}, {"cost_usd": 0.9}, True),
        ({}, {"turns": 500, "tokens": 10**9, "cost_usd": 1000.0}, False),
    ],
)
def test_an_account_is_nearly_used_up_in_its_last_turn_or_tenth(
    bounds: dict[str, Any], spent: dict[str, Any], nearly: bool
) -> None:
    account = Account(
        account_id="a", bounds=Bounds(**bounds), spent=Amount(**spent), reserved=Amount(turns=1, tokens=5, cost_usd=0.5)
    )
    assert account.nearly_used_up() is nearly


def test_a_month_is_that_of_the_calendar_in_utc_and_ends_with_it() -> None:
    late_in_america = datetime(2031, 12, 31, 22, tzinfo=timezone(-timedelta(hours=5)))
    assert month_of(late_in_america) == date(2032, 1, 1)
    assert TeamMonth(team="web", month=date(2031, 12, 1)).ends == datetime(2032, 1, 1, tzinfo=UTC)
    assert TeamMonth(team="web", month=date(2031, 4, 1)).ends == datetime(2031, 5, 1, tzinfo=UTC)


def test_what_an_admin_raised_holds_where_it_is_more_than_the_sites() -> None:
    site = Bounds(tokens=100, cost_usd=5.0)
    assert effective(site, Bounds(tokens=50, cost_usd=8.0)) == Bounds(tokens=100, cost_usd=8.0)
    assert effective(Bounds(), Bounds(tokens=50)) == Bounds(), "where the site has no bound there is none"
