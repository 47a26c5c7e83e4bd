"""Runs that give parts of their task to children."""

import asyncio
from typing import Any

import pytest

from tests.fixtures.stack import Stack
from tests.workflows.scripts import BROKEN

SECONDS = 240.0
SECRET = "ghp_" + "q7Zp2Lx9Vb4Nf8Rt1Kd6Wm3Hs5Yc0Jgabcd5"


def delegate(*tasks: str, agent: str = "coder", more: str = "") -> str:
    calls = [f"{{name: delegate, arguments: {{agent: {agent}, task: {task}}}{more}}}" for task in tasks]
    return "".join(["      - calls:\n", *(f"          - {call}\n" for call in calls)])


def bash(command: str) -> str:
    return f'      - calls:\n          - {{name: bash, arguments: {{command: "{command}"}}}}\n'


def finish(summary: str) -> str:
    return f"      - calls:\n          - {{name: finish, arguments: {{summary: {summary}}}}}\n" * 2


def said(user: str, *turns: str) -> str:
    return f"  - when: {{user: {user}}}\n    turns:\n{''.join(turns)}"


def script(*turns: str) -> str:
    parent = said(
        "Do it all",
        *turns,
        bash("cat adder.py notes/*; readlink link; stat -c %a new; ls -d new/empty AGENTS.md"),
        finish("Done."),
    )
    return f"about: A parent and its children.\nconversations:\n{parent}{CHILDREN}"


CHILDREN = "".join(
    said(f"part {name}", bash(command), finish(f"{name} is done."))
    for name, command in {
        "mend": "sed -i s/-/+/ adder.py; mkdir -p new/empty; chmod 700 new; ln -s adder.py link; rm AGENTS.md",
        "tell": "mkdir notes; echo told > notes/told.txt; sed -i '1i # told' adder.py; chmod 755 notes/told.txt",
        "clash": "sed -i s/-/*/ adder.py; echo no > clash.txt",
        "slow": "sleep 6; mkdir notes; echo slow > notes/slow.txt",
        "sleep": "sleep 300",
        "push": "git push origin nowhere || true; mkdir notes; echo pushed > notes/pushed.txt",
        "secret": f"mkdir notes; echo {SECRET} > notes/secret; cat notes/secret",
    }.items()
)


async def start(stack: Stack, name: str, *turns: str, **more: Any) -> str:
    stack.scripted.add(name, script(*turns))
    url = stack.repository(name, BROKEN)
    asked = {"task": "Do it all", "model": f"scripted:{name}", "plan": False, "repository": {"url": url}}
    return await stack.submit(**asked | more)


async def children(stack: Stack, run_id: str) -> list[dict[str, Any]]:
    """The oldest first."""
    return list(reversed((await stack.get(f"/v1/runs?parent={run_id}"))["items"]))


async def child_at(stack: Stack, run_id: str, key: str) -> dict[str, Any]:
    """The child of the first call, once that stands in its journal."""
    await stack.until(run_id, "child", seconds=SECONDS)
    while True:
        found = [one for one in await children(stack, run_id) if one["child_of"]["call"] == "turn/1/call/0"]
        if found:
            await stack.until_event(found[0]["id"], key, seconds=SECONDS)
            return found[0]
        await asyncio.sleep(0.1)


async def results(stack: Stack, run_id: str) -> dict[str, dict[str, Any]]:
    returned = await stack.events(run_id, "tool_returned")
    return {one["key"].removesuffix("/returned"): one["event"] for one in returned}


async def test_a_run_uses_what_two_children_did_one_after_the_other(stack: Stack) -> None:
    run_id = await start(stack, "one-by-one", delegate("part mend"), delegate("part tell"))
    done = await stack.until(run_id, "completed", seconds=SECONDS)
    found = await results(stack, run_id)
    text = found["turn/3/call/0"]["result"]["text"]
    assert [part in text for part in ("a + b", "# told", "told")] == [True] * 3
    first, second = await children(stack, run_id)
    assert [one["status"] for one in (first, second)] == ["completed", "completed"]
    mended = found["turn/1/call/0"]
    assert mended["child"]["run_id"] == first["id"]
    assert mended["child"]["snapshot_id"] == mended["snapshot"]["id"]
    assert (mended["child"]["spent"]["turns"], mended["changed"] > 3) == (3, True)
    assert "adder.py" in mended["result"]["text"]
    assert "mend is done." in mended["result"]["text"]
    assert done["result"]["work"]["files"] == 4
    assert first["branch"] is None
    # What a child changed is told of it alone.
    diff = (await stack.http.get(f"/v1/runs/{second['id']}/diff", headers={"Accept": "application/json"})).json()
    assert sorted(one["path"] for one in diff["files"]) == ["adder.py", "notes/told.txt"]
    assert "a + b" not in "".join(line for one in diff["files"] for line in one["diff"].split("\n") if line[:1] == "+")
    assert stack.remote.pushes == 1
    assert stack.scripted.counts().answered == 5 + 3 + 3
    # All of it is on one account.
    assert done["limits_left"]["turns"] == 100 - 5 - 3 - 3
    waits = [one["event"] for one in await stack.events(run_id, "status_changed")]
    assert [first["id"] in one["reason"] for one in waits if one["waiting_for"] == "child"] == [True, False]


async def test_children_work_side_by_side_and_their_changes_are_put_together(stack: Stack) -> None:
    run_id = await start(stack, "beside", delegate("part tell", "part mend", "part slow", "part clash"))
    await child_at(stack, run_id, "ended")
    await stack.until(run_id, "completed", seconds=SECONDS)
    found = await results(stack, run_id)
    texts = [found[f"turn/1/call/{at}"]["result"] for at in range(4)]
    # `tell` and `slow` made the same directory, `mend` and `tell` changed the same file in other places.
    assert [one["is_error"] for one in texts] == [False, False, False, True]
    assert "adder.py" in texts[3]["text"]
    assert "in the same places" in texts[3]["text"]
    text = found["turn/2/call/0"]["result"]["text"]
    assert [part in text for part in ("a + b", "# told", "told", "slow")] == [True] * 4
    # Links, modes, empty directories and what was removed, too.
    assert [part in text for part in ("\nadder.py\n700\n", "\nnew/empty\n", "cannot access 'AGENTS.md'")] == [True] * 3
    assert found["turn/1/call/3"]["snapshot"] == found["turn/1/call/2"]["snapshot"]
    missing = await stack.http.get(f"/v1/runs/{run_id}/files", params={"path": "clash.txt"})
    assert missing.status_code == 404
    begun = [one["lineage"] for one in await children(stack, run_id)]
    assert begun == [None] * 4


async def test_a_child_asks_for_approvals_of_its_own_and_its_parent_says_so(stack: Stack) -> None:
    run_id = await start(stack, "asks", delegate("part push"))
    await stack.until(run_id, "child", seconds=SECONDS)
    child = await child_at(stack, run_id, "approval/turn/1/call/0/requested")
    parent = await stack.get(f"/v1/runs/{run_id}")
    assert (parent["status"], parent["waiting_for"]) == ("waiting", "child")
    assert child["id"] in parent["waiting_reason"]
    assert "tool_approval" in parent["waiting_reason"]
    (card,) = (await stack.get("/v1/approvals?status=pending"))["items"]
    assert card["run_id"] == child["id"]
    answer = await stack.http.post(f"/v1/runs/{child['id']}/approvals/turn/1/call/0", json={"decision": "approve"})
    assert answer.status_code in (200, 202), answer.text
    await stack.until(run_id, "completed", seconds=SECONDS)
    assert "pushed" in (await results(stack, run_id))["turn/2/call/0"]["result"]["text"]


async def test_what_a_child_that_was_cancelled_did_is_not_applied_and_the_model_is_told(stack: Stack) -> None:
    run_id = await start(stack, "gives-up", delegate("part sleep"))
    child = await child_at(stack, run_id, "turn/1/call/0/started/1")
    answer = await stack.http.post(f"/v1/runs/{child['id']}/cancel", json={"reason": "It takes too long."})
    assert answer.status_code == 202, answer.text
    await stack.until(run_id, "completed", seconds=SECONDS)
    result = (await results(stack, run_id))["turn/1/call/0"]["result"]
    assert result["is_error"]
    assert "nothing of it was applied" in result["text"]
    assert "It takes too long." in result["text"]


async def test_a_child_that_may_not_be_started_is_refused_in_words(stack: Stack) -> None:
    turns = (delegate("part mend", agent="planner"), delegate("part tell"))
    run_id = await start(stack, "refused", *turns, limits={"depth": 1})
    await stack.until(run_id, "completed", seconds=SECONDS)
    found = await results(stack, run_id)
    assert "Choose one of: coder, reviewer" in found["turn/1/call/0"]["result"]["text"]
    assert not found["turn/2/call/0"]["result"]["is_error"]
    none = await start(stack, "none", delegate("part tell", more=", unknown: true"), limits={"children": 0})
    await stack.until(none, "completed", seconds=SECONDS)
    assert "not offered" in (await results(stack, none))["turn/1/call/0"]["result"]["text"]
    assert await children(stack, none) == []


@pytest.mark.parametrize("moment", ["submitted", "turn/1/call/0/started/1", "turn/1/call/0/returned", "ended"])
async def test_a_worker_that_dies_while_a_child_works_costs_nothing_twice(stack: Stack, moment: str) -> None:
    name = f"dies-{moment.replace('/', '-')}"
    run_id = await start(stack, name, delegate("part slow", "part tell"))
    await child_at(stack, run_id, moment)
    await stack.worker.kill()
    await stack.worker.start()
    done = await stack.until(run_id, "completed", seconds=SECONDS)
    assert len(await children(stack, run_id)) == 2
    assert stack.scripted.counts().answered == 4 + 3 + 3
    undisturbed = await start(stack, f"{name}-not", delegate("part slow", "part tell"))
    calm = await stack.until(undisturbed, "completed", seconds=SECONDS)
    assert done["result"]["content_id"] == calm["result"]["content_id"]
