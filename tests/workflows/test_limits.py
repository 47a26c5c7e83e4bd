"""Limits of a team's month and of a tree of runs: asked about, raised, and over when what they wait for comes."""

from collections.abc import AsyncGenerator
from datetime import UTC, datetime
from typing import Any

import pytest_asyncio
from temporalio.client import Client

from domain.mailbox import LookAgain
from tests.fixtures.stack import Stack
from tests.workflows.sayings import bash, card, completed, decide, finish, says, script, submit

SITE = """
teams:
  staff: {members: [admin], monthly_cost_usd: 0.0001}
"""


@pytest_asyncio.fixture(loop_scope="session")
async def bounded(stack: Stack) -> AsyncGenerator[Stack]:
    """The operator's runs belong to a team that may spend next to nothing in a month."""
    path = stack.home / "site.yaml"
    path.write_text(SITE)
    for part in (stack.worker, stack.api):
        await part.end()
        part.environment["PERDURE_SITE"] = str(path)
        await part.start()
    await stack.up()
    yield stack
    for part in (stack.worker, stack.api):
        await part.end()
        part.environment.pop("PERDURE_SITE", None)
        await part.start()
    await stack.up()


def three_turns(stack: Stack) -> str:
    return script(stack, "three", says(bash("true")), *finish())


async def test_a_team_whose_month_is_used_up_waits_for_an_admin_or_for_the_next_month(
    bounded: Stack, temporal_client: Client
) -> None:
    first, second = [await submit(bounded, three_turns(bounded)) for _ in range(2)]
    for run_id in (first, second):
        run = await bounded.until(run_id, "limit")
        assert "Team staff has used up its cost_usd of this month" in run["waiting_reason"]
        until = datetime.fromisoformat(run["waiting_until"])
        assert until > datetime.now(UTC)
        assert (until.day, until.hour) == (1, 0)
        assert (await card(bounded, run_id))["kind"] == "team_limit"
    (month,) = (await bounded.get("/v1/limits"))["items"]
    assert (month["team"], month["limits"]["cost_usd"]) == ("staff", 0.0001)
    assert month["spent"]["cost_usd"] >= 0.0001
    # What wakes it finds that nothing has changed, and asks anew.
    asked = (await card(bounded, first))["approval_id"]
    word = LookAgain(approval_id=asked, reason="It waited long enough.")
    await temporal_client.get_workflow_handle(f"run/{first}").signal("look_again", word)
    await bounded.until_event(first, f"approval/{asked}/2/requested")
    await decide(bounded, first, decision="approve", edited={"monthly_cost_usd": 100})
    # One word is for all runs of the team.
    for run_id in (first, second):
        await completed(bounded, temporal_client, run_id)
    (month,) = (await bounded.get("/v1/limits"))["items"]
    assert month["limits"]["cost_usd"] == 100
    assert [one["event"]["by"] for one in await bounded.events(second, "team_limit_raised")] == ["admin"]


async def test_one_word_raises_the_limit_for_all_runs_of_a_race(stack: Stack) -> None:
    long = script(stack, "long", *[says(bash(f"echo {turn}")) for turn in range(6)], *finish())
    parent = await submit(stack, long, limits={"turns": 2}, verify=["true"])
    await stack.until(parent, "limit")
    asked = {"count": 2, "keep": "first_verified", "limits": {"turns": 4}}
    answer = await stack.http.post(f"/v1/runs/{parent}/fork", json=asked)
    assert answer.status_code == 202, answer.text
    forks: list[str] = [one["id"] for one in answer.json()["runs"]]
    # Two turns are the parent's, and two are left to both forks together.
    for run_id in forks:
        await stack.until(run_id, "limit")
    shown = [(await stack.get(f"/v1/runs/{run_id}/limits"))["account"] for run_id in forks]
    assert shown[0] == shown[1]
    assert (shown[0]["spent"]["turns"], shown[0]["reserved"]["turns"]) == (4, 0)
    await decide(stack, forks[0], decision="approve", edited={"turns": 50})
    ends = [(await stack.until(run_id, "completed", "cancelled"))["status"] for run_id in forks]
    assert "completed" in ends
    decisions: list[dict[str, Any]] = [one["event"] for one in await stack.events(forks[1], "approval_decided")]
    assert [one["decision"]["by"] for one in decisions] == ["perdure"]
    await decide(stack, parent, decision="reject")
    await stack.until(parent, "failed")
