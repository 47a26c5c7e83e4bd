"""What is spent and reserved of what, and who may raise it."""

from dataclasses import replace
from datetime import UTC, datetime
from typing import Any

import pytest_asyncio

from adapters.journal.postgres import PostgresJournal
from api.parts import ApiParts
from domain.account import Amount, Wanted, month_of
from domain.approval import ApprovalCard
from domain.event import ApprovalRequested
from domain.limits import Limits
from domain.terms import Site, TeamRules
from tests.adapters.journal.samples import answer
from tests.api.conftest import Api, Serve
from tests.api.test_app import check_problem

WORST = Amount(turns=1, tokens=1000, cost_usd=0.5)
USED = Amount(turns=1, tokens=14, cost_usd=0.25)
SITE = Site(teams={"web": TeamRules(members=("admin", "sue"), monthly_cost_usd=10)})


@pytest_asyncio.fixture(loop_scope="session")
async def api(parts: ApiParts, serve: Serve) -> Any:
    """Of a site whose operator and sue are in one team."""
    async with serve(replace(parts, site=SITE)) as api:
        yield api


async def called(api: Api) -> str:
    """A run with one call behind it and one that is being made."""
    run_id = await api.start(limits={"turns": 7, "cost_usd": 3})
    journal = api.parts.journal
    for turn in (1, 2):
        wanted = Wanted(
            run_id=run_id,
            key=f"turn/{turn}",
            amount=WORST,
            limits=Limits(turns=7, cost_usd=3),
            team="web",
            month=month_of(datetime.now(UTC)),
        )
        await journal.admit(wanted)
        if turn == 1:
            await journal.settle(wanted, USED, [answer(1)])
    return run_id


async def test_a_run_shows_its_account_and_its_teams_month(api: Api) -> None:
    fresh = await api.start()
    assert (await api.get(f"/v1/runs/{fresh}/limits")).json()["account"] is None
    run_id = await called(api)
    shown = (await api.get(f"/v1/runs/{run_id}/limits")).json()
    account, team = shown["account"], shown["team"]
    assert (account["id"], account["limits"]) == (run_id, {"turns": 7, "tokens": None, "cost_usd": 3.0})
    assert (account["spent"], account["reserved"]) == (USED.model_dump(), WORST.model_dump())
    assert (team["team"], team["limits"]["cost_usd"], team["spent"]["cost_usd"]) == ("web", 10.0, 0.25)
    left = (await api.get(f"/v1/runs/{run_id}")).json()["limits_left"]
    assert (left["turns"], left["cost_usd"]) == (6, 2.75)
    page = (await api.get("/metrics")).text
    assert 'perdure_month_cost_usd{of="reserved"} 0.5' in page
    assert "perdure_reserved_calls 1.0" in page


async def test_submitters_see_the_month_of_their_own_team_only(api: Api, journal: PostgresJournal) -> None:
    await called(api)
    for name in ("sue", "cy"):
        await journal.add_token(f"of-{name}", name, "submitter", "test")
    months = {}
    for name in ("sue", "cy"):
        answered = await api.get("/v1/limits", headers={"Authorization": f"Bearer of-{name}"})
        months[name] = [(one["team"], one["spent"]["turns"]) for one in answered.json()["items"]]
    assert months == {"sue": [("web", 1)], "cy": [("cy", 0)]}
    assert [one["team"] for one in (await api.get("/v1/limits")).json()["items"]] == ["web"]


async def test_a_teams_limit_is_an_admins_to_raise(api: Api, journal: PostgresJournal) -> None:
    await journal.add_token("of-ann", "ann", "approver", "test")
    run_id = await api.start()
    card = ApprovalCard(approval_id="team_limit/1", kind="team_limit", title="More?", subject={"team": "web"})
    await api.record(run_id, ("approval/team_limit/1/requested", ApprovalRequested(card=card)))
    path = f"/v1/runs/{run_id}/approvals/team_limit/1"
    answered = await api.post(path, {"decision": "approve"}, headers={"Authorization": "Bearer of-ann"})
    check_problem(answered, 403)
    assert "admin" in answered.json()["next_step"]
    check_problem(await api.post(path, {"decision": "approve", "edited": {"monthly_cost_usd": -1}}), 422)
