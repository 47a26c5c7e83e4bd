"""Children of runs that are cancelled, paused, forked and deleted, and of children that meet a secret."""

from temporalio.client import Client

from domain.child import child_id
from tests.fixtures.stack import Stack
from tests.workflows.test_children import SECONDS, SECRET, child_at, children, delegate, results, script, start


async def test_children_end_with_the_run_that_is_cancelled(stack: Stack, temporal_client: Client) -> None:
    run_id = await start(stack, "ends", delegate("part sleep", "part tell"))
    child = await child_at(stack, run_id, "turn/1/call/0/started/1")
    assert child["child_of"] | {"snapshot_id": ""} == {
        "parent": run_id,
        "call": "turn/1/call/0",
        "root": run_id,
        "depth": 1,
        "snapshot_id": "",
    }
    described = await temporal_client.get_workflow_handle(f"run/{child['id']}").describe()
    assert {one.key.name: one.value for one in described.typed_search_attributes}["ParentRun"] == run_id
    assert (await stack.http.post(f"/v1/runs/{run_id}/cancel", json={"reason": "enough"})).status_code == 202
    await stack.until(run_id, "cancelled", seconds=SECONDS)
    first, second = [await stack.get(f"/v1/runs/{child_id(run_id, f'turn/1/call/{at}')}") for at in range(2)]
    assert first["status"] == "cancelled"
    assert f"run {run_id}" in first["result"]["summary"]
    assert second["status"] in ("completed", "cancelled")
    assert (await stack.http.delete(f"/v1/runs/{run_id}")).status_code == 204
    assert (await stack.http.get(f"/v1/runs/{first['id']}")).status_code == 404


async def test_children_pause_and_go_on_with_their_parent(stack: Stack) -> None:
    run_id = await start(stack, "pauses", delegate("part slow"))
    child = await child_at(stack, run_id, "turn/1/call/0/started/1")
    assert (await stack.http.post(f"/v1/runs/{run_id}/pause", json={})).status_code == 202
    await stack.until(child["id"], "paused", seconds=SECONDS)
    assert (await stack.get(f"/v1/runs/{run_id}"))["status"] == "paused"
    assert (await stack.http.post(f"/v1/runs/{run_id}/resume", json={})).status_code == 202
    await stack.until(run_id, "child", seconds=SECONDS)
    await stack.until(run_id, "completed", seconds=SECONDS)


async def test_a_fork_after_a_call_to_a_child_takes_its_result_and_starts_none(stack: Stack) -> None:
    run_id = await start(stack, "forked", delegate("part mend"))
    done = await stack.until(run_id, "completed", seconds=SECONDS)
    stack.scripted.clear()
    stack.scripted.add("forked", script(delegate("part mend")))
    answer = await stack.http.post(f"/v1/runs/{run_id}/fork", json={"at": "turn/1/call/0"})
    assert answer.status_code == 202, answer.text
    (made,) = answer.json()["runs"]
    forked = await stack.until(made["id"], "completed", seconds=SECONDS)
    assert forked["result"]["content_id"] == done["result"]["content_id"]
    assert await children(stack, made["id"]) == []
    assert stack.scripted.counts().answered == 3
    # One turn of the parent's and three of the child's count against the fork's limits.
    assert forked["limits_left"]["turns"] == 100 - 4 - 3


async def test_what_a_child_meets_is_masked_there_and_in_its_parent(stack: Stack) -> None:
    run_id = await start(stack, "hides", delegate("part secret"))
    await stack.until(run_id, "completed", "publish_approval", seconds=SECONDS)
    assert "notes/secret" in (await results(stack, run_id))["turn/1/call/0"]["result"]["text"]
    for one in (run_id, child_id(run_id, "turn/1/call/0")):
        returned = await stack.events(one, "tool_returned")
        assert returned
        assert all(SECRET not in one["event"]["result"]["text"] for one in returned)
