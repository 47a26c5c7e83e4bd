"""What is spent and reserved, of what."""

from typing import Any

from rich.text import Text

from cli.lines import plain

Json = dict[str, Any]


def limit_facts(run_id: str, limits: Json) -> list[tuple[str, str | Text]]:
    """Of a run's account, and of its team's month where that is bounded."""
    facts: list[tuple[str, str | Text]] = []
    if account := limits["account"]:
        shared = "" if account["id"] == run_id else f" (shared with run {account['id'][-12:]} and all that come of it)"
        facts.append(("account", f"{spent_of(account)}{shared}"))
        if account["unpriced"]:
            unknown = f"money is not bounded: no price is known of {', '.join(map(plain, account['unpriced']))}"
            facts.append(("", Text(unknown, style="yellow")))
    team = limits["team"]
    if any(value is not None for value in team["limits"].values()):
        reset = team["resets_at"][:10]
        facts.append(("team", f"{plain(team['team'])} in {team['month'][:7]}: {spent_of(team)}, anew on {reset}"))
    return facts


def spent_of(standing: Json) -> str:
    """`3 of 100 turns, $0.12 of $5 (1 call at work: $0.09 at worst)`; what is not bounded stands without its bound."""
    spent, most, reserved = standing["spent"], standing["limits"], standing["reserved"]
    money = "" if most["cost_usd"] is None else f" of ${most['cost_usd']:g}"
    shown = [
        f"{spent['turns']:,}{_of(most['turns'])} turns",
        f"${spent['cost_usd']:.4f}{money}",
        f"{spent['tokens']:,}{_of(most['tokens'])} tokens",
    ]
    calls = f"{reserved['turns']} call{'s' if reserved['turns'] > 1 else ''} at work"
    at_work = f" ({calls}: ${reserved['cost_usd']:.4f} at worst)" if reserved["turns"] else ""
    return ", ".join(shown) + at_work


def _of(most: int | None) -> str:
    return "" if most is None else f" of {most:,}"
