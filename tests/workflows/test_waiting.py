"""A run that waits for a person holds nothing; when the word comes it goes on as if it had never been away."""

import asyncio
import shutil
import time
from collections.abc import AsyncIterator
from pathlib import Path

import pytest
import pytest_asyncio
from temporalio.api.enums.v1 import EventType
from temporalio.client import Client

from adapters.models.scripted import ScriptedServer
from domain.run import Pace, RunSpec
from tests.fixtures.stack import PATIENCE_SECONDS, Stack, make_stack
from tests.workflows.chains import histories
from tests.workflows.paced import begin, journal_of
from tests.workflows.sayings import bash, call, completed, decide, finish, result, says, script, submit

LEAVE = (
    "export SEEN=yes; mkdir -p sub; cd sub; echo here > file; chmod 700 file; ln -s file link; "
    "echo at home > ~/kept; echo between > /tmp/kept"
)
LOOK = "echo $SEEN in $PWD: $(cat link ~/kept /tmp/kept), $(stat -c %a file)"
SEEN = "yes in /workspace/sub: here at home between, 700"


@pytest_asyncio.fixture(scope="module", loop_scope="session")
async def module_stack(
    open_directory: Path, module_database_url: str, temporal_address: str, _scripted_server: ScriptedServer
) -> AsyncIterator[Stack]:
    """One that gives things back after half a second."""
    made = make_stack(open_directory, module_database_url, temporal_address, _scripted_server)
    made.environment["PERDURE_RELEASE_AFTER_SECONDS"] = "0.5"
    await made.api.start()
    await made.worker.start()
    await made.up()
    yield made
    await made.http.aclose()
    await made.worker.end()
    await made.api.end()
    made.remote.stop()


def place(stack: Stack, run_id: str) -> Path:
    """Where the run's files lie on the host."""
    return Path(stack.environment["PERDURE_WORKER_HOME"]) / "workspaces" / f"w-{run_id}"


async def released(stack: Stack, run_id: str) -> None:
    deadline = time.monotonic() + PATIENCE_SECONDS
    while place(stack, run_id).exists():
        assert time.monotonic() < deadline, "the workspace was not given back"
        await asyncio.sleep(0.1)


async def came_back(stack: Stack, client: Client, run_id: str, call: str) -> None:
    """The run ended well, saw what it had left, and opened its workspace once more."""
    await completed(stack, client, run_id)
    assert (await result(stack, run_id, call))["text"].strip().endswith(SEEN)
    opened = [event["event"] for event in await stack.events(run_id, "workspace_opened")]
    assert [event["generation"] for event in opened] == [1, 2]


@pytest.mark.parametrize("host", ["the same", "another"])
async def test_a_question_holds_nothing_and_its_answer_is_heard_on_any_host(
    stack: Stack, temporal_client: Client, host: str
) -> None:
    asks = says(call("ask_human", {"question": "Which colour?"}))
    run_id = await submit(stack, script(stack, "asks", says(bash(LEAVE)), asks, says(bash(LOOK)), *finish()))
    await stack.until(run_id, "human_answer")
    await released(stack, run_id)
    if host == "another":
        await stack.worker.kill()
        await asyncio.to_thread(shutil.rmtree, stack.environment["PERDURE_WORKER_HOME"])
        await stack.worker.start()
    await decide(stack, run_id, decision="approve", edited={"answer": "blue"})
    await came_back(stack, temporal_client, run_id, "turn/3/call/0")


async def test_one_timer_a_wait_and_none_again(stack: Stack, temporal_client: Client) -> None:
    model = script(stack, "asked-about", says(bash(LEAVE)), says(bash(LOOK)), *finish())
    run_id = await submit(stack, model, tool_policy="ask_writes")
    for _ in range(2):
        await stack.until(run_id, "tool_approval")
        await released(stack, run_id)
        await decide(stack, run_id, decision="approve")
        await stack.until(run_id, "running", "completed")
    await completed(stack, temporal_client, run_id)
    fired = [
        event
        for history in await histories(temporal_client, run_id)
        for event in history.events
        if event.event_type == EventType.EVENT_TYPE_TIMER_FIRED
    ]
    assert len(fired) == 2
    assert (await result(stack, run_id, "turn/2/call/0"))["text"].strip().endswith(SEEN)


async def test_a_paused_run_holds_nothing(stack: Stack, temporal_client: Client) -> None:
    slow = says(bash("sleep 2"))
    run_id = await submit(stack, script(stack, "slow", says(bash(LEAVE)), slow, says(bash(LOOK)), *finish()))
    await stack.until_event(run_id, "turn/2/call/0/started/1")
    await stack.http.post(f"/v1/runs/{run_id}/pause", json={})
    await stack.until(run_id, "paused")
    await released(stack, run_id)
    await stack.http.post(f"/v1/runs/{run_id}/resume", json={})
    await came_back(stack, temporal_client, run_id, "turn/3/call/0")


async def test_reads_side_by_side_after_a_wait_open_the_workspace_once(stack: Stack, temporal_client: Client) -> None:
    reads = says(*(call("read", {"path": "sub/file"}) for _ in range(4)), expect="blue")
    asks = says(call("ask_human", {"question": "Which colour?"}))
    model = script(stack, "reads", says(bash(LEAVE)), asks, reads, says(bash(LOOK)), *finish())
    run_id = await submit(stack, model)
    await stack.until(run_id, "human_answer")
    await released(stack, run_id)
    await stack.http.post(f"/v1/runs/{run_id}/messages", json={"text": "blue"})
    await came_back(stack, temporal_client, run_id, "turn/4/call/0")


async def test_a_limit_and_a_publication_are_waited_for_without_a_workspace(
    stack: Stack, temporal_client: Client
) -> None:
    model = script(stack, "limited", says(bash(LEAVE)), says(bash(LOOK)), *finish())
    url = stack.repository("waits", {"a.txt": "a\n"})
    spec = {"repository": {"url": url}, "publish_approval": True, "limits": {"turns": 1}}
    run_id = await submit(stack, model, **spec)
    await stack.until(run_id, "limit")
    await released(stack, run_id)
    await decide(stack, run_id, decision="approve", edited={"turns": 50})
    await stack.until(run_id, "publish_approval")
    await released(stack, run_id)
    await decide(stack, run_id, decision="approve")
    await came_back(stack, temporal_client, run_id, "turn/2/call/0")
    assert (await stack.get(f"/v1/runs/{run_id}"))["result"]["pushed"] is True


async def test_a_run_stopped_while_it_waits_leaves_nothing(stack: Stack) -> None:
    asks = says(call("ask_human", {"question": "Which colour?"}))
    run_id = await submit(stack, script(stack, "stopped", says(bash(LEAVE)), asks, *finish()))
    await stack.until(run_id, "human_answer")
    await released(stack, run_id)
    await stack.http.post(f"/v1/runs/{run_id}/cancel", json={"reason": "enough"})
    await stack.until(run_id, "cancelled")
    assert not place(stack, run_id).exists()


async def test_a_host_that_is_away_when_it_should_take_a_workspace_back_is_asked_again(
    stack: Stack, temporal_client: Client
) -> None:
    home = stack.home / "away"
    away = stack.another_worker("away", home)
    asks = says(call("ask_human", {"question": "Which colour?"}))
    model = script(stack, "away", says(bash(LEAVE)), asks, says(bash(LOOK)), *finish())
    await stack.worker.kill()
    await away.start()
    await away.until_said("ready: serves")
    spec = RunSpec(task="Do it", plan=False, publish="none")
    async with journal_of(stack) as journal:
        run_id = await begin(stack, temporal_client, journal, spec, model, Pace(release_after_seconds=5))
    await stack.until(run_id, "human_answer")
    left = home / "workspaces" / f"w-{run_id}"
    await away.kill()
    await stack.worker.start()
    # Nobody takes it within the ten seconds that a host has for it.
    await until_timed_out(temporal_client, run_id)
    await away.start()
    deadline = time.monotonic() + PATIENCE_SECONDS
    while await asyncio.to_thread(left.exists):
        assert time.monotonic() < deadline, "the workspace was not given back"
        await asyncio.sleep(0.1)
    await away.kill()
    await decide(stack, run_id, decision="approve", edited={"answer": "blue"})
    await came_back(stack, temporal_client, run_id, "turn/3/call/0")


async def until_timed_out(client: Client, run_id: str) -> None:
    """Until an activity of the run or its phases has timed out."""
    timed_out = EventType.EVENT_TYPE_ACTIVITY_TASK_TIMED_OUT
    deadline = time.monotonic() + PATIENCE_SECONDS
    while not any(
        event.event_type == timed_out for history in await histories(client, run_id) for event in history.events
    ):
        assert time.monotonic() < deadline
        await asyncio.sleep(0.3)
