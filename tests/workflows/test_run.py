"""A run from task to branch, with nothing faked that a user would have real."""

from typing import Any

from temporalio.client import Client

from tests.fixtures.git_server import git
from tests.fixtures.stack import Stack
from tests.workflows.scripts import ASK, BROKEN, CHECK, MEND


async def test_a_task_becomes_a_verified_branch_at_the_origin(stack: Stack) -> None:
    stack.scripted.add("mend", MEND)
    url = stack.repository("adder", BROKEN)
    run_id = await stack.submit(
        task="Mend add", repository={"url": url}, model="scripted:mend", verify=[CHECK], plan_approval=False
    )
    run = await stack.until(run_id, "completed")
    assert run["result"]["verified"] is True
    assert run["result"]["pushed"] is True
    branch = run["result"]["work"]["branch"]
    bare = stack.remote.root / "adder.git"
    assert git(bare, "show", f"{branch}:adder.py") == "def add(a, b):\n    return a + b"
    assert git(bare, "rev-list", "--count", f"main..{branch}") == "1"
    assert git(bare, "diff", "--name-only", f"main..{branch}") == "adder.py"
    assert stack.scripted.counts().answered == 6
    assert stack.remote.pushes == 1


async def test_a_plan_waits_for_a_person_and_a_rejected_one_is_made_again(stack: Stack) -> None:
    stack.scripted.add("mend", MEND)
    url = stack.repository("adder-2", BROKEN)
    run_id = await stack.submit(
        task="Mend add", repository={"url": url}, model="scripted:mend", verify=[CHECK], plan_approval=True
    )
    await stack.until(run_id, "plan_approval")
    first = (await pending(stack, run_id))["approval_id"]
    await decide(stack, run_id, first, decision="reject", reason="Be gentle.")
    await stack.until_event(run_id, "plan/3")
    await stack.until(run_id, "plan_approval")
    card = await pending(stack, run_id)
    assert card["subject"]["summary"] == "Mend add gently"
    await decide(stack, run_id, card["approval_id"], decision="approve")
    run = await stack.until(run_id, "completed")
    assert run["plan"]["summary"] == "Mend add gently"
    again = await stack.http.post(f"/v1/runs/{run_id}/approvals/{card['approval_id']}", json={"decision": "reject"})
    assert again.status_code == 409


async def test_a_bare_temporal_signal_approves_a_plan(stack: Stack, temporal_client: Client) -> None:
    stack.scripted.add("mend", MEND)
    url = stack.repository("adder-3", BROKEN)
    run_id = await stack.submit(task="Mend add", repository={"url": url}, model="scripted:mend", plan_approval=True)
    await stack.until(run_id, "plan_approval")
    approval_id = (await pending(stack, run_id))["approval_id"]
    handle = temporal_client.get_workflow_handle(f"run/{run_id}")
    await handle.signal("decide_approval", {"approval_id": approval_id, "decision": "approve"})
    await stack.until(run_id, "completed")
    (decided,) = await stack.events(run_id, "approval_decided")
    assert decided["event"]["decision"]["by"] == "temporal (unverified)"


async def test_a_question_is_answered_by_a_message(stack: Stack) -> None:
    stack.scripted.add("ask", ASK)
    run_id = await stack.submit(task="Paint", model="scripted:ask", plan=False)
    await stack.until(run_id, "human_answer")
    answer = await stack.http.post(f"/v1/runs/{run_id}/messages", json={"text": "blue, please"})
    assert answer.status_code == 202, answer.text
    run = await stack.until(run_id, "completed")
    assert run["result"]["summary"]
    content = await stack.http.get(f"/v1/runs/{run_id}/files", params={"path": "colour.txt"})
    assert "blue" in content.text


async def test_a_refused_call_is_a_result_that_the_model_reads(stack: Stack) -> None:
    stack.scripted.add("mend", MEND)
    url = stack.repository("adder-4", BROKEN)
    run_id = await stack.submit(
        task="Mend add", repository={"url": url}, model="scripted:mend", plan=False, tool_policy="ask_writes"
    )
    await stack.until(run_id, "tool_approval")
    card = await pending(stack, run_id)
    assert card["subject"]["tool"] == "bash"
    await decide(stack, run_id, card["approval_id"], decision="reject", reason="Not now.")
    returned = await stack.until_event(run_id, f"{card['approval_id']}/returned")
    assert "Not now." in returned["event"]["result"]["text"]
    # The script did not expect that, and says so: a refused request ends the run with the reason.
    run = await stack.until(run_id, "failed")
    assert "1 failed" in run["result"]["summary"]


async def test_a_paused_run_goes_on_where_it_stood(stack: Stack) -> None:
    run_id = await stack.submit(task="Count", model="scripted:echo@12", plan=False)
    await stack.until_event(run_id, "turn/2")
    assert (await stack.http.post(f"/v1/runs/{run_id}/pause", json={})).status_code == 202
    await stack.until(run_id, "paused")
    assert (await stack.http.post(f"/v1/runs/{run_id}/pause", json={})).status_code == 409
    assert (await stack.http.post(f"/v1/runs/{run_id}/resume", json={})).status_code == 202
    run = await stack.until(run_id, "completed")
    assert run["turn"] == 14


async def test_a_cancelled_run_takes_its_command_with_it(stack: Stack) -> None:
    sleeping = """
conversations:
  - when: {tool: bash}
    turns:
      - calls:
          - {name: bash, arguments: {command: "sleep 300"}}
"""
    stack.scripted.add("sleeping", sleeping)
    run_id = await stack.submit(task="Sleep", model="scripted:sleeping", plan=False)
    await stack.until_event(run_id, "turn/1/call/0/started/1")
    answer = await stack.http.post(f"/v1/runs/{run_id}/cancel", json={"reason": "enough"})
    assert answer.status_code == 202
    run = await stack.until(run_id, "cancelled", seconds=20)
    assert "enough" in run["result"]["summary"]


async def pending(stack: Stack, run_id: str) -> dict[str, Any]:
    approvals = (await stack.get("/v1/approvals?status=pending"))["items"]
    (approval,) = [one for one in approvals if one["run_id"] == run_id]
    return approval


async def decide(stack: Stack, run_id: str, approval_id: str, **decision: Any) -> None:
    answer = await stack.http.post(f"/v1/runs/{run_id}/approvals/{approval_id}", json=decision)
    assert answer.status_code in (200, 202), answer.text
