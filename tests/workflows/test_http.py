"""Requests of an agent in whole runs: made once, whatever dies; in doubt where nobody can know, until a person says."""

import asyncio
import json
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import pytest
import pytest_asyncio
import yaml
from temporalio.client import Client

from adapters.models.scripted import ScriptedServer
from tests.fixtures.receiver import Receiver
from tests.fixtures.stack import Stack, make_stack
from tests.workflows.sayings import call, card, completed, decide, finish, result, says, script, submit

CALL = "turn/1/call/0"
PATIENCE = 150.0


@pytest_asyncio.fixture(scope="module", loop_scope="session")
async def reaching(
    open_directory: Path, module_database_url: str, temporal_address: str, _scripted_server: ScriptedServer
) -> AsyncIterator[tuple[Stack, Receiver]]:
    """Its site file gives the tool `http` and one address to agents of the kind `coder`."""
    receiver = Receiver()
    stack = make_stack(open_directory, module_database_url, temporal_address, _scripted_server)
    mine = {"host": "127.0.0.2", "ports": [receiver.port], "networks": ["127.0.0.2/32"]}
    site = stack.home / "site.yaml"
    site.write_text(yaml.safe_dump({"agents": {"coder": {"tools": ["http"], "network": [mine]}}}))
    stack.environment["PERDURE_SITE"] = str(site)
    await stack.api.start()
    await stack.worker.start()
    await stack.up()
    yield stack, receiver
    await stack.http.aclose()
    await stack.worker.end()
    await stack.api.end()
    stack.remote.stop()
    receiver.close()


def post(receiver: Receiver, path: str, expect: str) -> list[dict[str, Any]]:
    """Turns: one request that changes something, then the end."""
    url = f"http://127.0.0.2:{receiver.port}{path}"
    return [says(call("http", {"method": "POST", "url": url, "body": "an order"})), *finish(expect=expect)]


async def killed_in_the_act(stack: Stack, receiver: Receiver, path: str, expect: str) -> str:
    """A run whose worker died after the far side had taken its request, and before it had the answer."""
    held = receiver.hold(path)
    model = script(stack, f"post{path.replace('/', '-')}", *post(receiver, path, expect))
    run_id = await submit(stack, model)
    await stack.until(run_id, "tool_approval", seconds=PATIENCE)
    await decide(stack, run_id, decision="approve")
    assert await asyncio.to_thread(held.reached.wait, PATIENCE)
    await stack.worker.kill()
    held.release.set()
    await stack.worker.start()
    await stack.until(run_id, "effect_in_doubt", seconds=PATIENCE)
    return run_id


async def test_a_change_is_asked_about_made_once_and_recorded(
    reaching: tuple[Stack, Receiver], temporal_client: Client
) -> None:
    stack, receiver = reaching
    receiver.answers.append((201, {"Location": "/orders/1"}, b"made"))
    run_id = await submit(stack, script(stack, "post-plain", *post(receiver, "/plain", "Status 201")))
    await stack.until(run_id, "tool_approval", seconds=PATIENCE)
    asked = await card(stack, run_id)
    assert (asked["risk"], asked["subject"]["arguments"]["method"]) == ("effect", "POST")
    assert receiver.at("/plain") == []
    await decide(stack, run_id, decision="approve")
    await completed(stack, temporal_client, run_id)
    (one,) = receiver.at("/plain")
    (done,) = await stack.events(run_id, "effect_done")
    assert (one.body, done["event"]["receipt"]["status"]) == (b"an order", 201)
    assert len(one.headers["Idempotency-Key"]) == 32
    keys = [event["key"] for event in await stack.events(run_id) if event["key"].startswith("effect/")]
    assert keys == [f"effect/{CALL}/intended/1", f"effect/{CALL}/done"]
    (tried,) = await stack.events(run_id, "connection_tried")
    assert (tried["event"]["connection"]["host"], tried["event"]["connection"]["allowed"]) == ("127.0.0.2", True)


async def test_a_read_is_not_asked_about_and_other_hosts_are_refused(
    reaching: tuple[Stack, Receiver], temporal_client: Client
) -> None:
    stack, receiver = reaching
    mine = {"method": "GET", "url": f"http://127.0.0.2:{receiver.port}/read"}
    other = {"method": "GET", "url": f"http://127.0.0.3:{receiver.port}/read"}
    turns = [says(call("http", mine), call("http", other)), *finish(expect=("Status 200", "not among the hosts"))]
    run_id = await submit(stack, script(stack, "get", *turns))
    await completed(stack, temporal_client, run_id)
    assert [one.headers["Host"] for one in receiver.at("/read")] == [f"127.0.0.2:{receiver.port}"]
    assert await stack.events(run_id, "effect_intended") == []


async def test_in_doubt_a_person_leaves_it_and_the_model_reads_what_they_know(
    reaching: tuple[Stack, Receiver], temporal_client: Client
) -> None:
    stack, receiver = reaching
    run_id = await killed_in_the_act(stack, receiver, "/left", "order 41")
    asked = await card(stack, run_id)
    subject = asked["subject"]
    assert (asked["kind"], asked["approval_id"]) == ("effect", f"effect/{CALL}/1")
    assert (subject["target"], subject["attempt"]) == (f"http://127.0.0.2:{receiver.port}/left", 1)
    assert subject["id"] == receiver.at("/left")[0].headers["Idempotency-Key"]
    assert json.loads(subject["arguments"])["body"] == "an order"
    bad = await stack.http.post(
        f"/v1/runs/{run_id}/approvals/{asked['approval_id']}", json={"decision": "reject", "edited": {"wrong": 1}}
    )
    assert bad.status_code == 422
    await decide(stack, run_id, decision="reject", edited={"receipt": {"seen": "order 41"}})
    await completed(stack, temporal_client, run_id)
    assert len(receiver.at("/left")) == 1
    (done,) = await stack.events(run_id, "effect_done")
    assert (done["event"]["by"], done["event"]["receipt"]) == ("admin", {"seen": "order 41"})
    assert "order 41" in (await result(stack, run_id, CALL))["text"]


async def test_in_doubt_a_person_has_it_made_again_by_signal(
    reaching: tuple[Stack, Receiver], temporal_client: Client
) -> None:
    stack, receiver = reaching
    run_id = await killed_in_the_act(stack, receiver, "/again", "Status 200")
    word = {"approval_id": f"effect/{CALL}/1", "decision": "approve"}
    await temporal_client.get_workflow_handle(f"run/{run_id}").signal("decide_approval", word)
    await completed(stack, temporal_client, run_id)
    first, second = receiver.at("/again")
    assert first.headers["Idempotency-Key"] == second.headers["Idempotency-Key"]
    assert (first.method, first.body) == (second.method, second.body)
    (done,) = await stack.events(run_id, "effect_done")
    assert (done["event"]["attempt"], done["event"]["by"]) == (2, "")
    (decided,) = [one for one in await stack.events(run_id, "approval_decided") if "effect/" in one["key"]]
    assert decided["event"]["decision"]["by"] == "temporal (unverified)"


@pytest.mark.parametrize("agent", ["coder", "reviewer"])
async def test_only_whom_the_operator_gave_it_has_it(reaching: tuple[Stack, Receiver], agent: str) -> None:
    stack, _ = reaching
    asked = call("http", {"method": "GET", "url": "http://127.0.0.9/"}, unknown=True)
    run_id = await submit(stack, script(stack, f"has-{agent}", says(asked), *finish()), agent=agent)
    said = (await stack.until_event(run_id, f"{CALL}/returned", seconds=PATIENCE))["event"]["result"]["text"]
    assert ("not offered" in said) == (agent != "coder")
