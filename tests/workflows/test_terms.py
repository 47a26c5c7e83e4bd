"""The operator's site file and the request bound the commands of a run, and the run says by how much."""

from collections.abc import AsyncGenerator
from typing import Any

import pytest_asyncio

from tests.fixtures.stack import Stack
from tests.workflows.sayings import bash, finish, result, says, script, submit

SITE = """
agents:
  coder:
    limits: {processes: 100, output_bytes: 100000}
repositories:
  - match: "*/heavy.git"
    limits: {processes: 200}
"""


@pytest_asyncio.fixture(loop_scope="session")
async def sited(stack: Stack) -> AsyncGenerator[Stack]:
    path = stack.home / "site.yaml"
    path.write_text(SITE)
    await stack.worker.end()
    stack.worker.environment["PERDURE_SITE"] = str(path)
    await stack.worker.start()
    await stack.up()
    yield stack
    await stack.worker.end()
    del stack.worker.environment["PERDURE_SITE"]
    await stack.worker.start()
    await stack.up()


async def limits_of(stack: Stack, **spec: Any) -> dict[str, float]:
    model = script(stack, "idle", says(bash("true")), *finish())
    run_id = await submit(stack, model, publish="none", **spec)
    run = await stack.until(run_id, "completed")
    assert run["sandbox"]["kind"] == "bubblewrap"
    assert run["sandbox"]["hosts"] == []
    return {name: float(value) for name, value in run["sandbox"]["limits"].items()}


async def test_kind_repository_and_run_bound_a_command_in_this_order(sited: Stack) -> None:
    heavy = {"url": sited.repository("heavy", {"a": "1\n"})}
    assert (await limits_of(sited))["processes"] == 100
    assert (await limits_of(sited, repository=heavy))["processes"] == 200
    assert (await limits_of(sited, repository=heavy, sandbox_limits={"processes": 50}))["processes"] == 50
    assert (await limits_of(sited, sandbox_limits={"processes": 5000}))["processes"] == 100


async def test_they_hold_and_the_model_is_told(sited: Stack) -> None:
    forever, much = bash("sleep 60"), bash("yes | head -c 1000000")
    model = script(sited, "much", says(forever), says(much), *finish())
    run_id = await submit(sited, model, sandbox_limits={"seconds": 1})
    await sited.until(run_id, "completed")
    assert "longer than 1 s" in (await result(sited, run_id, "turn/1/call/0"))["text"]
    assert "100000" in (await result(sited, run_id, "turn/2/call/0"))["text"].replace(",", "")


async def test_limits_below_sense_are_refused(stack: Stack) -> None:
    answer = await stack.http.post("/v1/runs", json={"task": "x", "sandbox_limits": {"processes": 1}})
    assert answer.status_code == 422
    assert "processes" in answer.text
