"""What people say at the wrong moment, or not clearly enough: nothing is lost without a word, and nothing hangs."""

from temporalio.client import Client

from tests.fixtures.stack import Stack
from tests.workflows.sayings import bash, card, completed, decide, finish, says, script, submit


async def test_a_limit_that_was_not_raised_far_enough_is_asked_about_again(
    stack: Stack, temporal_client: Client
) -> None:
    long = script(stack, "long", says(bash("echo {n}"), repeat={"turns": 4}), *finish())
    run_id = await submit(stack, long, limits={"turns": 3})
    await stack.until(run_id, "limit")
    first = (await card(stack, run_id))["approval_id"]
    await decide(stack, run_id, decision="approve", edited={"turns": 2})
    await stack.until_event(run_id, f"approval/{first}/2/requested")
    await decide(stack, run_id, decision="approve", edited={"turns": 50})
    run = await completed(stack, temporal_client, run_id)
    assert run["limits"]["turns"] == 50


async def test_a_message_that_no_agent_would_read_is_refused(stack: Stack, temporal_client: Client) -> None:
    writes = script(stack, "writes", says(bash("echo one > a.txt")), *finish())
    url = stack.repository("read-no-more", {"b.txt": "b\n"})
    run_id = await submit(stack, writes, repository={"url": url}, publish_approval=True)
    await stack.until(run_id, "publish_approval")
    late = await stack.http.post(f"/v1/runs/{run_id}/messages", json={"text": "One thing more"})
    assert late.status_code == 409
    assert "publishing" in late.text
    await decide(stack, run_id, decision="approve")
    run = await completed(stack, temporal_client, run_id)
    assert run["result"]["pushed"] is True
