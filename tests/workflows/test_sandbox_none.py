"""A run without walls: asked for by name, it completes like any other, and says that nothing contained it."""

from collections.abc import AsyncIterator
from pathlib import Path

import pytest_asyncio

from adapters.models.scripted import ScriptedServer
from tests.fixtures.git_server import git
from tests.fixtures.stack import Stack, make_stack
from tests.workflows.scripts import BROKEN, CHECK, MEND


@pytest_asyncio.fixture(loop_scope="session")
async def open_stack(
    open_directory: Path, module_database_url: str, temporal_address: str, _scripted_server: ScriptedServer
) -> AsyncIterator[Stack]:
    made = make_stack(open_directory, module_database_url, temporal_address, _scripted_server)
    made.environment["PERDURE_SANDBOX"] = "none"
    await made.api.start()
    await made.worker.start()
    await made.up()
    yield made
    await made.http.aclose()
    await made.worker.end()
    await made.api.end()
    made.remote.stop()


async def test_a_run_without_a_sandbox_becomes_a_verified_branch_and_says_so(open_stack: Stack) -> None:
    open_stack.scripted.clear()
    open_stack.scripted.add("mend", MEND)
    url = open_stack.repository("adder", BROKEN)
    run_id = await open_stack.submit(
        task="Mend add", repository={"url": url}, model="scripted:mend", verify=[CHECK], plan_approval=False
    )
    run = await open_stack.until(run_id, "completed")
    assert (run["result"]["verified"], run["result"]["pushed"]) == (True, True)
    branch = run["result"]["work"]["branch"]
    mended = git(open_stack.remote.root / "adder.git", "show", f"{branch}:adder.py")
    assert mended == "def add(a, b):\n    return a + b"
    told = [event["event"] for event in await open_stack.events(run_id) if "enforcement" in event["event"]]
    assert told and all(one["enforcement"]["sandbox"] == "none" for one in told)
    assert "PERDURE_SANDBOX=none" in open_stack.worker.log.read_text()
