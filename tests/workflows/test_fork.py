"""Forks: files, conversation, list and limits as they were at any point of a real run."""

import asyncio
import random
import shutil
from pathlib import Path
from typing import Any

import pytest_asyncio
from temporalio.client import Client

from tests.fixtures.git_server import git
from tests.fixtures.stack import Stack
from tests.workflows.scripts import BROKEN, CHECK

TODO = "{items: [{text: Mend add, status: in_progress}]}"
STEPS = f"""
about: Leaves a mark in each turn, and does what a message says.
conversations:
  - when: {{tool: propose_plan}}
    turns:
      - calls:
          - {{name: read, arguments: {{path: adder.py}}}}
          - {{name: propose_plan, arguments: {{summary: Mend add, steps: [{{title: Mend}}]}}}}
  - when: {{tool: bash}}
    turns:
      - calls:
          - {{name: bash, arguments: {{command: "echo one >> log.txt; export SEEN=yes; mkdir -p /tmp/kept"}}}}
          - {{name: todo, arguments: {TODO}}}
      - calls:
          - {{name: bash, arguments: {{command: "echo two >> log.txt"}}}}
          - {{name: bash, arguments: {{command: "echo $SEEN >> log.txt; ls -d /tmp/kept"}}}}
          - {{name: edit, arguments: {{path: adder.py, old: a - b, new: a + b}}}}
      - choose:
          - matches: "message follows"
            calls:
              - {{name: bash, arguments: {{command: "echo other >> log.txt; sed -i s/-/+/ adder.py"}}}}
        calls:
          - {{name: read, arguments: {{path: log.txt}}}}
          - {{name: list, arguments: {{path: .}}}}
      - calls:
          - {{name: finish, arguments: {{summary: add adds now.}}}}
      - calls:
          - {{name: finish, arguments: {{summary: add adds now.}}}}
      - calls:
          - {{name: finish, arguments: {{summary: And once more.}}}}
"""
TURNS = 6
"""One of planning, five of work."""


SECONDS = 240.0


async def parent(stack: Stack, name: str, **more: Any) -> dict[str, Any]:
    stack.scripted.add("steps", STEPS)
    url = stack.repository(name, BROKEN)
    asked = {"task": "Mend add", "repository": {"url": url}, "model": "scripted:steps", "verify": [CHECK], **more}
    return await stack.until(await stack.submit(**asked), "completed", seconds=SECONDS)


@pytest_asyncio.fixture(scope="module", loop_scope="session")
async def run(module_stack: Stack) -> dict[str, Any]:
    """One that has finished, for tests that leave it as it is."""
    return await parent(module_stack, "adder", limits={"turns": 20, "tokens": 1_000_000})


async def fork(stack: Stack, run_id: str, **asked: Any) -> dict[str, Any]:
    stack.scripted.add("steps", STEPS)
    answer = await stack.http.post(f"/v1/runs/{run_id}/fork", json=asked)
    assert answer.status_code == 202, answer.text
    (made,) = answer.json()["runs"]
    return made


def counts(turn: dict[str, Any]) -> int:
    return sum(turn["usage"][f"{name}_tokens"] for name in ("input", "cache_write", "output"))


async def conversation_at(stack: Stack, run_id: str, seq: int) -> list[Any]:
    """What the model had been told and had said up to an event."""
    kinds = ("plan_proposed", "plan_accepted", "message_received", "note_added", "turn_answered", "tool_returned")
    events = [one for one in await stack.events(run_id) if one["event"]["type"] in kinds and one["seq"] <= seq]
    return [(one["key"], one["at"], one["event"]) for one in events if not one["key"].startswith("verify/")]


async def test_a_fork_at_any_call_has_the_files_and_the_conversation_of_that_call(
    stack: Stack, run: dict[str, Any]
) -> None:
    returned = [one for one in await stack.events(run["id"], "tool_returned") if one["key"].startswith("turn/")]
    chosen = random.Random().choice(returned)
    point = chosen["key"].removesuffix("/returned")
    made = await fork(stack, run["id"], at=point)
    (forked,) = [one for one in await stack.events(made["id"]) if one["key"] == "forked"]
    assert made["lineage"]["at"] == point
    assert made["lineage"]["snapshot_id"] == chosen["event"]["snapshot"]["id"], point
    ours = await conversation_at(stack, made["id"], forked["seq"])
    assert ours == await conversation_at(stack, run["id"], chosen["seq"]), point
    done = await stack.until(made["id"], "completed", seconds=SECONDS)
    opened = await stack.events(made["id"], "workspace_opened")
    assert opened[0]["event"]["snapshot"]["id"] == chosen["event"]["snapshot"]["id"], point
    # It goes on as the parent did, so it ends as the parent did; and what was answered is not asked again.
    assert done["result"]["content_id"] == run["result"]["content_id"], point
    answers = [one for one in await stack.events(made["id"], "turn_answered") if one["seq"] > forked["seq"]]
    assert len(answers) == TURNS - int(point.split("/")[1]), point
    assert stack.scripted.counts().answered == len(answers)
    assert done["result"]["work"]["branch"] != run["result"]["work"]["branch"]
    assert done["result"]["work"]["branch"].endswith(made["id"][-12:])
    assert done["todo"] == run["todo"]
    assert done["plan"] == run["plan"]


async def test_what_was_spent_at_the_point_counts_against_the_limits_of_a_fork(
    stack: Stack, run: dict[str, Any]
) -> None:
    usage = (await stack.get(f"/v1/runs/{run['id']}/usage"))["turns"]
    made = await fork(stack, run["id"], at="turn/3")
    counted = sum(counts(one) for one in usage[:3])
    done = await stack.until(made["id"], "completed", seconds=SECONDS)
    assert done["limits_left"]["turns"] == 20 - TURNS
    own = (await stack.get(f"/v1/runs/{made['id']}/usage"))["turns"]
    assert [one["turn"] for one in own] == [4, 5, 6]
    ours = sum(counts(one) for one in own)
    assert done["limits_left"]["tokens"] == 1_000_000 - counted - ours
    assert done["usage"]["output_tokens"] == sum(one["usage"]["output_tokens"] for one in own)
    stopped = await fork(stack, run["id"], at="turn/3", limits={"turns": 3})
    await stack.until(stopped["id"], "limit")
    await stack.http.post(f"/v1/runs/{stopped['id']}/cancel", json={})


async def test_a_message_redirects_a_fork_and_the_calls_it_forestalls_are_not_made(
    stack: Stack, run: dict[str, Any]
) -> None:
    made = await fork(stack, run["id"], at="turn/3/call/0", message="Do it otherwise.")
    done = await stack.until(made["id"], "completed", seconds=SECONDS)
    log = await stack.http.get(f"/v1/runs/{made['id']}/files", params={"path": "log.txt"})
    assert log.text == "one\ntwo\nother\n"
    results = {one["key"]: one["event"]["result"] for one in await stack.events(made["id"], "tool_returned")}
    assert results["turn/3/call/1/returned"]["is_error"]
    assert "not made" in results["turn/3/call/2/returned"]["text"]
    work = (await stack.get(f"/v1/runs/{made['id']}/conversation"))["phases"][-1]["messages"]
    (said,) = [at for at, one in enumerate(work) if one["text"] == "Do it otherwise."]
    assert [one["role"] for one in work[said - 4 : said]] == ["assistant", "tool", "tool", "tool"]
    assert done["turn"] == TURNS


async def test_a_fork_of_a_finished_run_is_verified_and_published_or_goes_on_with_a_message(
    stack: Stack, run: dict[str, Any]
) -> None:
    again = await fork(stack, run["id"])
    assert again["lineage"]["at"] == f"turn/{TURNS}"
    done = await stack.until(again["id"], "completed", seconds=SECONDS)
    assert (done["turn"], done["result"]["pushed"]) == (TURNS, True)
    assert await stack.events(again["id"], "verify_ended")
    more = await fork(stack, again["id"], message="Once more.")
    more = await stack.until(more["id"], "completed", seconds=SECONDS)
    assert (more["turn"], more["result"]["summary"]) == (TURNS + 1, "And once more.")
    assert more["lineage"]["root"] == run["id"]
    assert more["lineage"]["parent"] == again["id"]
    branches = git(stack.remote.root / "adder.git", "branch", "--list", "perdure/*").split()
    assert {one["id"][-12:] for one in (run, again, more)} <= {name[-12:] for name in branches}
    listed = (await stack.get(f"/v1/runs?parent={again['id']}"))["items"]
    assert [one["id"] for one in listed] == [more["id"]]


async def test_a_fork_of_a_plan_asks_for_it_again(stack: Stack) -> None:
    stack.scripted.add("steps", STEPS)
    url = stack.repository("plan", BROKEN)
    run_id = await stack.submit(task="Mend add", repository={"url": url}, model="scripted:steps", plan_approval=True)
    await stack.until(run_id, "plan_approval")
    await stack.http.post(f"/v1/runs/{run_id}/approvals/plan/1", json={"decision": "approve"})
    await stack.until(run_id, "completed", seconds=SECONDS)
    made = await fork(stack, run_id, at="turn/1")
    await stack.until(made["id"], "plan_approval")
    answer = await stack.http.post(f"/v1/runs/{made['id']}/approvals/plan/1", json={"decision": "approve"})
    assert answer.status_code in (200, 202), answer.text
    assert (await stack.until(made["id"], "completed", seconds=SECONDS))["turn"] == TURNS
    later = await fork(stack, run_id, at="turn/2")
    assert (await stack.until(later["id"], "completed", seconds=SECONDS))["turn"] == TURNS
    assert not await stack.events(later["id"], "approval_decided")


async def test_a_fork_needs_neither_the_parents_worker_nor_its_disk_nor_the_origin(
    stack: Stack, temporal_client: Client
) -> None:
    run = await parent(stack, "gone", publish="none")
    await stack.worker.kill()
    await asyncio.to_thread(shutil.rmtree, Path(stack.environment["PERDURE_WORKER_HOME"]), True)
    await asyncio.to_thread(shutil.rmtree, stack.remote.root / "gone.git")
    made = await fork(stack, run["id"], at="turn/3/call/1")
    assert made["status"] == "queued"
    await stack.worker.start()
    done = await stack.until(made["id"], "completed", seconds=SECONDS)
    assert done["result"]["content_id"] == run["result"]["content_id"]
    # Planning and work: to a provider the fork's requests continue the parent's own.
    assert len(stack.scripted.counts().by_conversation) == 2
    described = await temporal_client.get_workflow_handle(f"run/{made['id']}").describe()
    assert {one.key.name: one.value for one in described.typed_search_attributes}["ParentRun"] == run["id"]


async def test_a_rewound_run_is_cancelled_and_another_one_goes_on_in_its_place(stack: Stack) -> None:
    slow = STEPS.replace("echo $SEEN >> log.txt; ls -d /tmp/kept", "sleep 300")
    stack.scripted.add("slow", slow)
    stack.scripted.add("steps", STEPS)
    url = stack.repository("rewound", BROKEN)
    asked = {"task": "Mend add", "repository": {"url": url}, "verify": [CHECK]}
    run_id = await stack.submit(**asked, model="scripted:slow")
    await stack.until_event(run_id, "turn/3/call/1/started/1", seconds=SECONDS)
    refused = await stack.http.post(f"/v1/runs/{run_id}/rewind", json={"at": "turn/3/call/1"})
    assert refused.status_code == 409
    body = {"at": "turn/3/call/0", "message": "Do it otherwise.", "model": "scripted:steps"}
    answer = await stack.http.post(f"/v1/runs/{run_id}/rewind", json=body)
    assert answer.status_code == 202, answer.text
    (made,) = answer.json()["runs"]
    old = await stack.until(run_id, "cancelled", seconds=SECONDS)
    assert old["superseded_by"] == made["id"]
    assert made["id"] in old["result"]["summary"]
    done = await stack.until(made["id"], "completed", seconds=SECONDS)
    assert (done["lineage"]["replaces"], done["turn"]) == (True, TURNS)
    branches = git(stack.remote.root / "rewound.git", "branch", "--list", "perdure/*").split()
    assert branches == [done["result"]["work"]["branch"]]


RACE = """
about: Mends add or fails to, sooner or later, as a message says.
conversations:
  - when: {tool: bash}
    turns:
      - calls:
          - {name: bash, arguments: {command: "echo begun >> log.txt"}}
      - choose:
          - matches: "way: sleep"
            calls:
              - {name: bash, arguments: {command: "sleep 300"}}
          - matches: "way: wrong"
            calls:
              - {name: bash, arguments: {command: "echo '# no' >> adder.py"}}
        calls:
          - {name: bash, arguments: {command: "sed -i s/-/+/ adder.py"}}
      - calls:
          - {name: finish, arguments: {summary: Done so.}}
      - calls:
          - {name: finish, arguments: {summary: Done so.}}
      - calls:
          - {name: bash, arguments: {command: "sleep 300"}}
"""


async def test_of_four_forks_the_first_whose_checks_pass_is_kept_and_alone_publishes(stack: Stack) -> None:
    stack.scripted.add("race", RACE)
    url = stack.repository("race", BROKEN)
    asked = {"task": "Mend add", "repository": {"url": url}, "model": "scripted:race", "plan": False}
    run_id = await stack.submit(**asked, verify=[CHECK])
    await stack.until(run_id, "completed", seconds=SECONDS)
    ways = ("sleep", "wrong", "sleep", "right")
    body = {"at": "turn/1", "keep": "first_verified", "variants": [{"message": f"way: {way}"} for way in ways]}
    answer = await stack.http.post(f"/v1/runs/{run_id}/fork", json=body)
    assert answer.status_code == 202, answer.text
    runs = answer.json()["runs"]
    kept = await stack.until(runs[3]["id"], "completed", seconds=SECONDS)
    assert (kept["kept"], kept["result"]["pushed"], kept["result"]["verified"]) == (True, True, True)
    for one in runs[:3]:
        beaten = await stack.until(one["id"], "cancelled", seconds=SECONDS)
        assert beaten["kept"] is False
        assert kept["id"] in beaten["result"]["summary"]
        assert not beaten["result"]["pushed"]
    branches = git(stack.remote.root / "race.git", "branch", "--list", "perdure/*").split()
    parents = (await stack.get(f"/v1/runs/{run_id}"))["result"]["work"]["branch"]
    assert sorted(branches) == sorted([parents, kept["result"]["work"]["branch"]])
    accounts = [one["event"] for one in await stack.events(kept["id"], "race_won")]
    assert accounts == [{"type": "race_won", "race": answer.json()["race"]}]


async def test_a_race_is_decided_once_though_the_worker_dies_in_it(stack: Stack) -> None:
    stack.scripted.add("race", RACE)
    url = stack.repository("killed", BROKEN)
    asked = {"task": "Mend add", "repository": {"url": url}, "model": "scripted:race", "plan": False}
    run_id = await stack.submit(**asked, verify=[f"sleep 1; {CHECK}"])
    await stack.until(run_id, "completed", seconds=SECONDS)
    stack.remote.pushes = 0
    body = {"at": "turn/1", "keep": "first_verified", "count": 3, "message": "way: right"}
    runs = (await stack.http.post(f"/v1/runs/{run_id}/fork", json=body)).json()["runs"]
    await stack.until_event(runs[0]["id"], "verify/1/call/0/started/1", seconds=SECONDS)
    await stack.worker.kill()
    await stack.worker.start()
    ended = [await stack.until(one["id"], "completed", "cancelled", seconds=SECONDS) for one in runs]
    assert sorted(one["status"] for one in ended) == ["cancelled", "cancelled", "completed"]
    assert [one["kept"] for one in ended].count(True) == 1
    assert stack.remote.pushes == 1
