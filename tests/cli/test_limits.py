"""Limits as people read them."""

from typing import Any

from cli.limits import limit_facts

NONE = {"turns": 0, "tokens": 0, "cost_usd": 0.0}
OPEN = {"turns": None, "tokens": None, "cost_usd": None}
SPENT = {"turns": 3, "tokens": 12000, "cost_usd": 0.125}


def standing(**more: Any) -> dict[str, Any]:
    team = {"team": "web", "month": "2031-03-01", "resets_at": "2031-04-01T00:00:00Z", "spent": SPENT, "reserved": NONE}
    account = {"id": "r1", "limits": {**OPEN, "turns": 100, "cost_usd": 5.0}, "spent": SPENT, "unpriced": []}
    return {"account": {**account, "reserved": NONE, **more}, "team": {**team, "limits": OPEN}}


def test_a_run_is_shown_what_it_has_spent_and_reserved_of_what() -> None:
    facts = limit_facts("r1", standing(reserved={"turns": 2, "tokens": 9, "cost_usd": 0.5}))
    told = "3 of 100 turns, $0.1250 of $5, 12,000 tokens (2 calls at work: $0.5000 at worst)"
    assert facts == [("account", told)]


def test_a_fork_is_told_whose_account_it_shares_and_what_no_limit_of_money_bounds() -> None:
    (_, account), (_, unknown) = limit_facts("r2", standing(unpriced=["openai:mine"]))
    assert "shared with run r1" in str(account)
    assert "no price is known of openai:mine" in str(unknown)


def test_a_bounded_team_is_shown_with_its_month() -> None:
    shown = standing()
    shown["team"]["limits"] = {**OPEN, "cost_usd": 100.0}
    shown["account"] = None
    (fact,) = limit_facts("r1", shown)
    assert fact == ("team", "web in 2031-03: 3 turns, $0.1250 of $100, 12,000 tokens, anew on 2031-04-01")
