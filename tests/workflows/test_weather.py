"""Providers that do not answer: all runs on a key wait together, or go on with the next model, and finish."""

import asyncio
import time
from collections.abc import AsyncIterator
from datetime import datetime
from pathlib import Path
from typing import Any

import pytest_asyncio
from temporalio.client import Client

from adapters.models.scripted import ScriptedServer
from adapters.models.scripted.faults import Fault
from tests.fixtures.stack import Stack, clear_weather, make_stack
from tests.workflows.sayings import bash, card, decide, finish, says, script, submit

RULES = """
weather:
  first_wait_seconds: 1
  longest_wait_seconds: 4
  quota_first_wait_seconds: 6
  key_seconds: 60
  trickle_per_second: 10
  probe_seconds: 20
  patience_seconds: 8
"""
ALWAYS = 1_000_000


@pytest_asyncio.fixture(scope="module", loop_scope="session")
async def weather_stack(
    open_directory: Path, module_database_url: str, temporal_address: str, _scripted_server: ScriptedServer
) -> AsyncIterator[Stack]:
    """Shorter waits than an operator would choose, and both providers under their own names."""
    made = make_stack(open_directory, module_database_url, temporal_address, _scripted_server)
    site = made.home / "site.yaml"
    site.write_text(RULES)
    made.environment |= {
        "PERDURE_SITE": str(site),
        "OPENAI_API_KEY": "sk-of-a-test-and-of-nothing-else",
        "OPENAI_BASE_URL": f"{_scripted_server.base_url}/v1",
        "ANTHROPIC_API_KEY": "sk-ant-of-a-test-and-of-nothing-else",
        "ANTHROPIC_BASE_URL": _scripted_server.base_url,
    }
    await made.api.start()
    await made.worker.start()
    await made.up()
    yield made
    await made.http.aclose()
    await made.worker.end()
    await made.api.end()
    made.remote.stop()


@pytest_asyncio.fixture(loop_scope="session")
async def sky(weather_stack: Stack) -> Stack:
    weather_stack.scripted.clear()
    await clear_weather(weather_stack)
    return weather_stack


def model(stack: Stack, name: str, provider: str = "openai", turns: int = 2, **more: Any) -> str:
    """A script that says so many times something before it finishes; the model's full name."""
    script(stack, name, says(bash("echo {n} >> log.txt"), repeat={"turns": turns}, **more), *finish())
    return f"{provider}:{name}"


def outage(stack: Stack, name: str, status: int = 429, **more: Any) -> None:
    stack.scripted.fault(Fault(kind="status", status=status, model=name.partition(":")[2], times=ALWAYS, **more))


async def refusals(stack: Stack, run_id: str) -> list[dict[str, Any]]:
    return [one["event"] for one in await stack.events(run_id, "turn_refused")]


async def shown_in_temporal(client: Client, run_id: str) -> tuple[Any, Any]:
    found = (await client.get_workflow_handle(f"run/{run_id}").describe()).search_attributes
    return found.get("RunStatus"), found.get("WaitingFor")


async def until_shown(client: Client, run_id: str, status: str, waiting_for: str | None, seconds: float = 30) -> None:
    wanted = ([status], None if waiting_for is None else [waiting_for])
    deadline = time.monotonic() + seconds
    while (found := await shown_in_temporal(client, run_id)) != wanted:
        assert time.monotonic() < deadline, found
        await asyncio.sleep(0.1)


async def test_runs_on_one_key_do_not_stampede_where_one_is_enough(sky: Stack, temporal_client: Client) -> None:
    name = model(sky, "busy")
    outage(sky, name, retry_after_seconds=6)
    submitted = time.monotonic()
    runs = [await submit(sky, name) for _ in range(8)]
    for run_id in runs:
        run = await sky.until(run_id, "provider")
        assert run["status"] == "waiting"
        assert run["waiting_until"]
        assert "429" in run["waiting_reason"]
    listed = await sky.get("/v1/runs?waiting_for=provider")
    assert {one["id"] for one in listed["items"]} == set(runs)
    await until_shown(temporal_client, runs[0], "waiting", "provider")
    before, began = sky.scripted.counts().faults, time.monotonic()
    # Each may be asking when the first one hears it; after that it is one in six seconds.
    assert before <= len(runs) + (began - submitted) / 6 + 1
    # One asks for all, once in six seconds; alone each would have.
    while (asked := sky.scripted.counts().faults - before) < 2:
        assert time.monotonic() - began < 90
        await asyncio.sleep(0.2)
    assert asked <= (time.monotonic() - began) / 6 + 1
    sky.scripted.app.faults.clear()
    for run_id in runs:
        await sky.until(run_id, "completed", seconds=90)
    # Two runs that ask twice since a busy machine held their heartbeats back are no stampede.
    assert len(runs) * 4 <= sky.scripted.counts().asked <= len(runs) * 4 + 2


async def test_a_wait_is_as_long_as_the_provider_asked_for(sky: Stack, temporal_client: Client) -> None:
    for wire in ("openai", "anthropic"):
        script(sky, f"waits-{wire}", says(bash("sleep 3")), *finish())
        name = f"{wire}:waits-{wire}"
        sky.scripted.fault(Fault(kind="status", status=529, model=f"waits-{wire}", retry_after_seconds=7))
        run_id = await submit(sky, name)
        refused = await sky.until_event(run_id, "turn/1/refused/1")
        answered = await sky.until_event(run_id, "turn/1")
        waited = at(answered) - at(refused)
        assert 6.5 < waited < 30
        # While the command runs Temporal shows that the wait is over.
        await until_shown(temporal_client, run_id, "running", None)
        run = await sky.until(run_id, "completed")
        assert run["waiting_for"] is None
    assert sky.scripted.counts().faults == 2


async def test_a_quota_is_a_longer_wait_and_says_so(sky: Stack) -> None:
    name = model(sky, "poor")
    sky.scripted.fault(Fault(kind="status", status=429, code="insufficient_quota", model="poor", retry_after_seconds=1))
    run_id = await submit(sky, name)
    run = await sky.until(run_id, "provider")
    assert "no credit left" in run["waiting_reason"]
    assert (await refusals(sky, run_id))[0]["kind"] == "quota"
    await sky.until(run_id, "completed")
    assert sky.scripted.counts().faults == 1


async def test_a_refused_key_stops_the_run_and_is_not_tried_by_the_next(sky: Stack) -> None:
    name = model(sky, "locked")
    sky.scripted.fault(Fault(kind="status", status=401, model="locked", times=ALWAYS))
    first = await sky.until(await submit(sky, name), "failed")
    assert "OPENAI_API_KEY" in first["result"]["next_step"]
    second = await sky.until(await submit(sky, name), "failed")
    assert "heard by another run" in second["result"]["summary"]
    assert "locked" not in sky.scripted.counts().by_model
    # Another provider's runs are not concerned.
    await sky.until(await submit(sky, model(sky, "unlocked", provider="anthropic")), "completed")


async def test_a_run_goes_on_with_the_next_model_and_back_with_its_reasoning_left_out(sky: Stack) -> None:
    first = model(sky, "thinks-1", turns=6, reasoning="I think of {n}")
    second = model(sky, "thinks-2", provider="anthropic", turns=6, reasoning="I think of {n}")
    for name, seconds in (("thinks-1", 9), ("thinks-2", 60)):
        fault = Fault(kind="status", status=529, model=name, skip=2, retry_after_seconds=seconds)
        sky.scripted.fault(fault)
    run_id = await submit(sky, first, fallback_models=[second])
    run = await sky.until(run_id, "completed", seconds=90)
    changes = [one["event"] for one in await sky.events(run_id, "model_changed")]
    assert [(one["before"], one["model"]) for one in changes] == [(first, second), (second, first)]
    assert all("529" in one["reason"] for one in changes)
    assert all(one["resent_tokens"] > 100 for one in changes)
    assert run["model_now"] == first
    assert run["fallback_models"] == [second]
    assert run["model_changes"] == 2
    assert run["resent_tokens"] == sum(one["resent_tokens"] for one in changes)
    assert sky.scripted.counts().problems == ()
    answers = [one["event"]["model"] for one in await sky.events(run_id, "turn_answered")]
    assert answers == ["thinks-1"] * 2 + ["thinks-2"] * 2 + ["thinks-1"] * 4


async def test_a_new_phase_begins_with_the_first_model_again(sky: Stack) -> None:
    plans = says({"name": "propose_plan", "arguments": {"summary": "Log", "steps": [{"title": "Log"}]}})
    for name in ("plans-1", "plans-2"):
        script(sky, name, says(bash("echo one")), *finish(), planning=(plans,))
    sky.scripted.fault(Fault(kind="status", status=503, model="plans-1", retry_after_seconds=9))
    chain = {"fallback_models": ["anthropic:plans-2"], "plan": True, "plan_approval": True}
    run_id = await submit(sky, "openai:plans-1", **chain)
    run = await sky.until(run_id, "plan_approval")
    assert run["model_now"] == "anthropic:plans-2"
    await asyncio.sleep(10)
    assert (await card(sky, run_id))["kind"] == "plan"
    await decide(sky, run_id, decision="approve")
    run = await sky.until(run_id, "completed")
    assert run["model_now"] == "openai:plans-1"
    assert run["resent_tokens"] == 0


async def test_a_refused_key_is_no_end_where_another_model_can_answer(sky: Stack) -> None:
    model(sky, "unlocked", provider="anthropic")
    sky.scripted.fault(Fault(kind="status", status=403, model="locked-too", times=ALWAYS))
    run_id = await submit(sky, "openai:locked-too", fallback_models=["anthropic:unlocked"])
    assert (await sky.until(run_id, "completed"))["model_now"] == "anthropic:unlocked"


async def test_a_wait_outlives_the_worker(sky: Stack) -> None:
    name = model(sky, "outlived")
    sky.scripted.fault(Fault(kind="status", status=503, model="outlived", retry_after_seconds=6))
    run_id = await submit(sky, name)
    await sky.until(run_id, "provider")
    await sky.worker.kill()
    await sky.worker.start()
    await sky.until(run_id, "completed")
    assert sky.scripted.counts().faults == 1


async def test_people_are_heard_while_a_run_waits(sky: Stack) -> None:
    name = model(sky, "heard")
    outage(sky, name, retry_after_seconds=30)
    run_id, other = await submit(sky, name), await submit(sky, name)
    for one in (run_id, other):
        await sky.until(one, "provider")
    assert (await sky.http.post(f"/v1/runs/{run_id}/messages", json={"text": "Take your time"})).status_code == 202
    assert (await sky.http.post(f"/v1/runs/{run_id}/pause", json={})).status_code == 202
    await sky.until(run_id, "paused")
    assert (await sky.http.post(f"/v1/runs/{run_id}/resume", json={})).status_code == 202
    await sky.until(run_id, "provider")
    for one in (run_id, other):
        assert (await sky.http.post(f"/v1/runs/{one}/cancel", json={})).status_code == 202
        # Long before the thirty seconds are over.
        await sky.until(one, "cancelled", seconds=20)


async def test_a_chain_is_checked_when_a_run_is_sent_in(sky: Stack) -> None:
    asked = {"task": "Do it", "model": "openai:a", "fallback_models": ["nobody:b"]}
    answer = await sky.http.post("/v1/runs", json=asked)
    assert answer.status_code == 422
    assert "fallback_models" in answer.text


def at(event: dict[str, Any]) -> float:
    return datetime.fromisoformat(event["at"]).timestamp()
