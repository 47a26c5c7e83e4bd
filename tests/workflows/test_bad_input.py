"""Whatever people ask for and providers answer: a clear word to who caused it, never a run that hangs."""

import asyncio
import uuid
from datetime import datetime
from typing import Any

import pytest
from temporalio.client import Client

from adapters.models.scripted import Fault
from domain.run import TASK_MAX_CHARACTERS
from tests.fixtures.git_server import git
from tests.fixtures.stack import Stack
from tests.workflows.sayings import (
    bash,
    call,
    card,
    completed,
    decide,
    failed,
    finish,
    nothing_wedged,
    says,
    script,
    submit,
)

REFUSED: dict[str, tuple[int, dict[str, Any], str]] = {
    "a task of a megabyte": (413, {"task": "x" * 1024**2}, "too large"),
    "a long task": (422, {"task": "x" * (TASK_MAX_CHARACTERS + 1)}, "task"),
    "a blank task": (422, {"task": " \n"}, "blank"),
    "ssh": (422, {"repository": {"url": "ssh://git@example.com/a.git"}}, "https://"),
    "a password in the address": (422, {"repository": {"url": "https://a:secret@example.com/a.git"}}, "password"),
    "a path that climbs": (422, {"repository": {"url": "/srv/../etc"}}, ".."),
    "a ref that is none": (422, {"repository": {"url": "https://example.com/a.git", "ref": "-x"}}, "ref"),
    "an unknown provider": (422, {"model": "nobody:large"}, "openai"),
    "a provider without its key": (422, {"model": "openai:gpt-5"}, "OPENAI_API_KEY"),
    "an unknown agent": (422, {"agent": "wizard"}, "coder"),
    "a limit of nothing": (422, {"limits": {"turns": 0}}, "limits.turns"),
    "a field that is not there": (422, {"tsak": "?"}, "tsak"),
}


@pytest.mark.parametrize("name", REFUSED)
async def test_what_cannot_be_a_run_is_refused_at_once(stack: Stack, name: str) -> None:
    status, wrong, said = REFUSED[name]
    answer = await stack.http.post("/v1/runs", json={"task": "Do it"} | wrong)
    assert answer.status_code == status
    assert answer.headers["content-type"] == "application/problem+json"
    assert said in answer.text
    assert answer.json()["next_step"]
    assert "secret" not in answer.text


async def test_a_repository_that_cannot_be_had_fails_the_run_with_a_reason(
    stack: Stack, temporal_client: Client
) -> None:
    url = stack.repository("named", {"a.txt": "a\n"})
    git(stack.remote.root, "init", "--quiet", "--bare", "hollow.git")
    origin = stack.remote.origin
    wrong = {
        "absent": ({"url": f"{origin}/absent.git"}, "absent.git"),
        "hollow": ({"url": f"{origin}/hollow.git"}, "no commit"),
        "elsewhere": ({"url": "/etc"}, "PERDURE_ALLOWED_PATHS"),
        "plain": ({"url": "http://example.invalid/a.git"}, "https://"),
        "unresolved": ({"url": "https://example.invalid/a.git"}, "example.invalid"),
        "misspelt": ({"url": url, "ref": "mian"}, "Did you mean main?"),
        "unknown commit": ({"url": url, "ref": "1" * 40}, "1" * 40),
    }

    async def fails(repository: dict[str, str], said: str) -> None:
        run_id = await submit(stack, "scripted:echo@1", repository=repository)
        ended = await failed(stack, temporal_client, run_id)
        assert said in f"{ended['summary']} {ended['next_step']}"

    await asyncio.gather(*(fails(*one) for one in wrong.values()))


async def test_an_origin_that_takes_no_push_fails_the_run_and_the_work_is_kept(
    stack: Stack, temporal_client: Client
) -> None:
    url = stack.repository("closed", {"a.txt": "a\n"})
    git(stack.remote.root / "closed.git", "config", "http.receivepack", "false")
    model = script(stack, "writing", says(bash("echo b > b.txt")), *finish())
    run_id = await submit(stack, model, repository={"url": url})
    ended = await failed(stack, temporal_client, run_id)
    assert "403" in ended["summary"]
    assert "PERDURE_GIT_TOKEN" in ended["next_step"]
    assert (await stack.http.get(f"/v1/runs/{run_id}/files?path=b.txt")).text == "b\n"


async def test_an_origin_that_is_down_is_waited_for_where_everybody_sees_it(
    stack: Stack, temporal_client: Client
) -> None:
    url = stack.repository("down", {"a.txt": "a\n"})
    stack.remote.fail_requests = 2
    run_id = await submit(stack, "scripted:echo@1", repository={"url": url})
    run = await stack.until(run_id, "dependency")
    assert "503" in run["waiting_reason"]
    await completed(stack, temporal_client, run_id)


async def test_a_refusal_of_the_provider_fails_the_run_with_what_to_do(stack: Stack, temporal_client: Client) -> None:
    wrong_key = script(stack, "wrong-key", *finish())
    stack.scripted.fault(Fault(kind="status", status=401, model="wrong-key"))
    # One after the other: a key that is refused stops all runs on it.
    names = ("scripted:nobody-wrote-this", wrong_key)
    unknown, key = [await failed(stack, temporal_client, await submit(stack, name)) for name in names]
    assert "401" in key["summary"]
    assert "key" in key["next_step"]
    assert "does not exist" in unknown["summary"]
    assert "model's name" in unknown["next_step"]


async def test_a_provider_that_is_down_is_waited_for_where_everybody_sees_it(
    stack: Stack, temporal_client: Client
) -> None:
    busy = script(stack, "busy", says(bash("echo once")), *finish("once"))
    stack.scripted.fault(Fault(kind="status", status=429, retry_after_seconds=4, model="busy", skip=1))
    for kind in ("status", "nonsense"):
        stack.scripted.fault(Fault(kind=kind, status=500, model="busy"))
    run_id = await submit(stack, busy)
    run = await stack.until(run_id, "provider")
    until = datetime.fromisoformat(run["waiting_until"])
    assert until > datetime.fromisoformat(run["waiting_since"])
    await completed(stack, temporal_client, run_id)
    events = [one["event"] for one in await stack.events(run_id, "turn_refused")]
    refused = [one["reason"] for one in events if one["asked"]]
    assert len(refused) == 3
    assert [name in " ".join(refused) for name in ("429", "500", "not JSON")] == [True, True, True]
    assert len(await stack.events(run_id, "turn_answered")) == 3


async def test_a_used_up_limit_is_announced_and_then_waits_for_a_person(stack: Stack, temporal_client: Client) -> None:
    long = script(stack, "long", says(bash("echo {n}"), repeat={"turns": 4}), *finish())
    raised, stopped = [await submit(stack, long, limits={"turns": 3}) for _ in range(2)]
    for run_id in (raised, stopped):
        await stack.until(run_id, "limit")
        assert (await card(stack, run_id))["kind"] == "limit"
    notes = [one["event"] for one in await stack.events(raised, "note_added")]
    assert [note["turn"] for note in notes] == [3]
    assert "nearly reached" in notes[0]["text"]
    asked = f"/v1/runs/{raised}/approvals/{(await card(stack, raised))['approval_id']}"
    answer = await stack.http.post(asked, json={"decision": "approve", "edited": {"turns": "many"}})
    assert answer.status_code == 422
    assert "turns" in answer.text
    await decide(stack, raised, decision="approve", edited={"turns": 20})
    assert (await completed(stack, temporal_client, raised))["turn"] == 6
    await decide(stack, stopped, decision="reject")
    ended = await failed(stack, temporal_client, stopped)
    assert "turns" in ended["summary"]


async def test_checks_that_never_pass_end_the_run_after_their_rounds(stack: Stack, temporal_client: Client) -> None:
    stubborn = script(stack, "stubborn", *finish(), says(bash("echo again"), expect="no such luck"), *finish())
    spec = {"verify": ["echo no such luck; exit 3"], "limits": {"verify_rounds": 2}}
    run_id = await submit(stack, stubborn, **spec)
    ended = await failed(stack, temporal_client, run_id)
    assert "2 rounds" in ended["summary"]
    assert [one["event"]["passed"] for one in await stack.events(run_id, "verify_ended")] == [False, False]


async def test_a_setup_that_fails_ends_the_run_before_the_model_is_asked(stack: Stack, temporal_client: Client) -> None:
    run_id = await submit(stack, "scripted:echo@1", setup="echo no compiler >&2; exit 7")
    ended = await failed(stack, temporal_client, run_id)
    assert "setup" in ended["summary"]
    (returned,) = await stack.events(run_id, "tool_returned")
    assert "no compiler" in returned["event"]["result"]["text"]
    assert stack.scripted.counts().asked == 0


async def test_a_request_that_is_sent_twice_starts_one_run(stack: Stack, temporal_client: Client) -> None:
    headers = {"Idempotency-Key": uuid.uuid4().hex}
    asked = {"task": "Once", "model": "scripted:echo@1", "plan": False}
    both = await asyncio.gather(*(stack.http.post("/v1/runs", json=asked, headers=headers) for _ in range(4)))
    assert {answer.status_code for answer in both} <= {200, 201}
    (run_id,) = {answer.json()["id"] for answer in both}
    other = await stack.http.post("/v1/runs", json=asked | {"task": "Twice"}, headers=headers)
    assert other.status_code in (409, 422)
    await completed(stack, temporal_client, run_id)
    assert stack.scripted.counts().asked == 3


async def test_a_message_sent_in_the_middle_is_read_at_the_next_turn(stack: Stack, temporal_client: Client) -> None:
    heard = script(stack, "heard", says(bash("sleep 2")), *finish("use tabs"))
    run_id = await submit(stack, heard)
    await stack.until_event(run_id, "turn/1/call/0/started/1")
    answer = await stack.http.post(f"/v1/runs/{run_id}/messages", json={"text": "use tabs"})
    assert answer.status_code == 202
    await completed(stack, temporal_client, run_id)
    (message,) = await stack.events(run_id, "message_received")
    assert message["event"]["turn"] == 2


async def test_decisions_that_fit_nothing_are_refused_and_the_run_waits_on(
    stack: Stack, temporal_client: Client
) -> None:
    plan = says(call("propose_plan", {"summary": "Do it", "steps": [{"title": "Do"}]}))
    planned = script(stack, "planned", *finish(), planning=(plan,))
    run_id = await submit(stack, planned, plan=True, plan_approval=True)
    await stack.until(run_id, "plan_approval")
    approvals = f"/v1/runs/{run_id}/approvals"
    asked = (await card(stack, run_id))["approval_id"]
    for path, body, status in (
        ("plan/999", {"decision": "approve"}, 404),
        (asked, {"decision": "maybe"}, 422),
        (asked, {"decision": "approve", "edited": {"steps": "all of them"}}, 422),
    ):
        answer = await stack.http.post(f"{approvals}/{path}", json=body)
        assert answer.status_code == status, answer.text
        assert answer.json()["next_step"]
    handle = temporal_client.get_workflow_handle(f"run/{run_id}")
    for word in ({"approval_id": asked}, {"approval_id": asked, "decision": "approve", "edited": {"steps": 3}}, "yes"):
        await handle.signal("decide_approval", word)
    await handle.signal("send_message", {"message_id": "a\0", "text": "No key of a journal."})
    await handle.signal("send_message", {"message_id": "a", "text": "Half a \0 string."})
    unknown = await stack.http.post("/v1/runs/no-such-run/approvals/plan/1", json={"decision": "approve"})
    assert unknown.status_code == 404
    await nothing_wedged(temporal_client, run_id)
    await decide(stack, run_id, decision="approve", edited={"summary": "Do half", "steps": [{"title": "Half"}]})
    assert (await completed(stack, temporal_client, run_id))["plan"]["summary"] == "Do half"
