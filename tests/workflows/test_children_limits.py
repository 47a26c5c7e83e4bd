"""A tree of runs has one account: its limits hold over all children, also where their worker is killed."""

import asyncio
from typing import Any

import pytest

from tests.fixtures.stack import Stack
from tests.workflows.test_children import bash, children, delegate, finish, said

CHILDREN = 16
MOST_USD = 0.25
WORST_USD = 0.30
"""Of one call: 8,192 tokens of output and a small input, at the prices that the scripted model has."""
SECONDS = 270.0


async def account(stack: Stack, run_id: str) -> dict[str, Any]:
    shown = (await stack.get(f"/v1/runs/{run_id}/limits"))["account"]
    assert isinstance(shown, dict)
    return shown


@pytest.mark.timeout(600)
async def test_sixteen_children_at_once_pass_a_limit_of_money_by_one_call_at_most(stack: Stack) -> None:
    parent = said("Do it all", delegate(*["part of it"] * CHILDREN), finish("Done."))
    part = said("part of it", *[bash(f"echo {turn} > turn; sleep 0.2") for turn in range(40)], finish("So."))
    stack.scripted.add("tree", f"about: A tree.\nconversations:\n{parent}{part}")
    asked = {"task": "Do it all", "model": "scripted:tree", "plan": False}
    limits = {"children": CHILDREN, "cost_usd": MOST_USD, "turns": 1000}
    run_id = await stack.submit(**asked, limits=limits)
    await stack.until(run_id, "child", seconds=SECONDS)
    while len(await children(stack, run_id)) < CHILDREN:  # noqa: ASYNC110  no event over HTTP
        await asyncio.sleep(0.2)
    while (await account(stack, run_id))["spent"]["turns"] < 6:  # noqa: ASYNC110  no event over HTTP
        await asyncio.sleep(0.1)
    await stack.worker.kill()
    await stack.worker.start()
    # Whoever is refused waits for a person; then nobody of the tree asks a model any more.
    while len(waiting := [one for one in await children(stack, run_id) if one["waiting_for"] == "limit"]) < CHILDREN:
        stands = await account(stack, run_id)
        assert stands["spent"]["cost_usd"] + stands["reserved"]["cost_usd"] <= MOST_USD + WORST_USD
        await asyncio.sleep(0.5)
    stands = await account(stack, run_id)
    runs = [await stack.get(f"/v1/runs/{run_id}"), *waiting]
    dearest = 0.0
    for run in runs:
        answers = [one["event"] for one in await stack.events(run["id"], "turn_answered")]
        dearest = max(dearest, *(one["cost_usd"] for one in answers), 0.0)
    assert stands["id"] == run_id
    assert stands["reserved"]["turns"] == 0
    assert stands["spent"]["cost_usd"] == pytest.approx(sum(run["cost_usd"] for run in runs))
    assert MOST_USD <= stands["spent"]["cost_usd"] <= MOST_USD + dearest
    parent_now = runs[0]
    assert parent_now["waiting_for"] == "child"
    assert "limit" in parent_now["waiting_reason"]
    assert (await stack.http.post(f"/v1/runs/{run_id}/cancel", json={})).status_code == 202
    await stack.until(run_id, "cancelled", seconds=SECONDS)
    ended = await children(stack, run_id)
    assert {one["status"] for one in ended} == {"cancelled"}
    assert len(ended) == CHILDREN
