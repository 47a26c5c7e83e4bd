"""A run that tells others that it waits and that it is over, and is held up by nobody who does not listen."""

import json
import time
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import pytest_asyncio
import yaml
from temporalio.client import Client

from adapters.models.scripted import ScriptedServer
from tests.fixtures.receiver import Receiver
from tests.fixtures.stack import Stack, make_stack
from tests.workflows.sayings import completed, decide
from tests.workflows.scripts import ASK

PATIENCE = 150.0


@pytest_asyncio.fixture(loop_scope="session")
async def telling(
    open_directory: Path,
    database_url: str,
    temporal_address: str,
    _scripted_server: ScriptedServer,
    receiver: Receiver,
    tmp_path: Path,
) -> AsyncIterator[Stack]:
    """Its site file lets runs tell a server on loopback, and itself tells one that is dead."""
    stack = make_stack(open_directory, database_url, temporal_address, _scripted_server)
    opened = {"host": "127.0.0.2", "ports": [receiver.port, 9], "networks": ["127.0.0.2/32"]}
    site = tmp_path / "site.yaml"
    site.write_text(yaml.safe_dump({"notify": {"url": "http://127.0.0.2:9/dead", "allowed": [opened]}}))
    secret = tmp_path / "secret"
    secret.write_text("a-secret-that-signs\n")
    stack.environment |= {"PERDURE_SITE": str(site), "PERDURE_NOTIFY_SECRET_FILE": str(secret)}
    try:
        await stack.api.start()
        await stack.worker.start()
        await stack.up()
        yield stack
    finally:
        await stack.http.aclose()
        await stack.worker.end()
        await stack.api.end()
        stack.remote.stop()


def told(receiver: Receiver) -> list[dict[str, Any]]:
    return [json.loads(one.body) for one in receiver.at("/hook")]


async def test_a_wait_and_the_end_are_told_and_a_dead_listener_holds_nothing_up(
    telling: Stack, receiver: Receiver, temporal_client: Client
) -> None:
    telling.scripted.add("ask", ASK)
    url = f"http://127.0.0.2:{receiver.port}/hook"
    run_id = await telling.submit(task="Paint", model="scripted:ask", plan=False, notify_url=url)
    await telling.until(run_id, "human_answer", seconds=PATIENCE)
    await telling.until_event(run_id, "effect/notify/turn/1/call/0/request/done", seconds=PATIENCE)
    (waits,) = told(receiver)
    assert (waits["type"], waits["approval"]["id"], waits["run"]["id"]) == ("run.waiting", "turn/1/call/0", run_id)
    await decide(telling, run_id, decision="approve", edited={"answer": "blue"})
    await completed(telling, temporal_client, run_id)
    began = time.monotonic()
    await temporal_client.get_workflow_handle(f"run/{run_id}").result()
    assert time.monotonic() - began < PATIENCE
    await telling.until_event(run_id, "effect/notify/ended/request/done", seconds=PATIENCE)
    assert [one["type"] for one in told(receiver)] == ["run.waiting", "run.ended"]
    assert len({one["delivery"] for one in told(receiver)}) == 2
    missed = await telling.until_event(run_id, "effect/notify/ended/site/failed/1", seconds=PATIENCE)
    assert "cannot be reached" in missed["event"]["reason"]
    assert (await telling.get(f"/v1/runs/{run_id}"))["status"] == "completed"


async def test_whom_the_operator_does_not_allow_is_refused_at_once(telling: Stack) -> None:
    for url in ("http://169.254.169.254/latest", "http://127.0.0.1:8080/", "https://hooks.example.com/"):
        answer = await telling.http.post("/v1/runs", json={"task": "Do it", "notify_url": url})
        assert answer.status_code == 422
        assert "notify_url" in answer.text
