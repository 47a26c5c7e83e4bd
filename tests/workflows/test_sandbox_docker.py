"""Whole runs in Docker's sandbox: to a branch, over a killed worker, over a lost disk, and on from another sandbox."""

import asyncio
import shutil
from collections.abc import AsyncIterator
from pathlib import Path

import docker
import pytest_asyncio

from adapters.models.scripted import ScriptedServer
from tests.fixtures.git_server import git
from tests.fixtures.stack import Stack, make_stack
from tests.workflows.fates import LONG, LONG_CALL, comes_back_late, finished, hosts_of
from tests.workflows.fates import submit as start_long
from tests.workflows.sayings import bash, call, decide, finish, result, says, script, submit
from tests.workflows.scripts import BROKEN, CHECK, MEND
from tests.workflows.test_durability import SLOW_CALL, check, redone, undisturbed
from tests.workflows.test_waiting import LEAVE, LOOK, SEEN


@pytest_asyncio.fixture(scope="module", loop_scope="session")
async def docker_stack(
    docker_image: str,
    docker_engine: docker.DockerClient,
    open_directory: Path,
    module_database_url: str,
    temporal_address: str,
    _scripted_server: ScriptedServer,
) -> AsyncIterator[Stack]:
    made = make_stack(open_directory, module_database_url, temporal_address, _scripted_server)
    made.worker.environment |= {"PERDURE_SANDBOX": "docker", "PERDURE_DOCKER_IMAGE": docker_image}
    made.environment["PERDURE_RELEASE_AFTER_SECONDS"] = "0.5"
    await made.api.start()
    await made.worker.start()
    await made.up()
    made.scripted.clear()
    yield made
    await made.http.aclose()
    await made.worker.end()
    await made.api.end()
    made.remote.stop()


def containers(engine: docker.DockerClient, run_id: str) -> list[str]:
    """Of a run, running or not."""
    found = engine.containers.list(all=True, filters={"label": f"perdure.run={run_id}"}, sparse=True)
    return [str(one.id) for one in found]


async def test_a_task_becomes_a_verified_branch(docker_stack: Stack, docker_engine: docker.DockerClient) -> None:
    docker_stack.scripted.clear()
    docker_stack.scripted.add("mend", MEND)
    url = docker_stack.repository("adder", BROKEN)
    run_id = await docker_stack.submit(
        task="Mend add", repository={"url": url}, model="scripted:mend", verify=[CHECK], plan_approval=False
    )
    run = await docker_stack.until(run_id, "completed", seconds=90)
    assert (run["result"]["verified"], run["result"]["pushed"]) == (True, True)
    assert run["sandbox"]["kind"] == "docker"
    branch = run["result"]["work"]["branch"]
    mended = git(docker_stack.remote.root / "adder.git", "show", f"{branch}:adder.py")
    assert mended == "def add(a, b):\n    return a + b"
    await none_left(docker_engine, run_id)


async def none_left(engine: docker.DockerClient, run_id: str) -> None:
    for _ in range(100):
        if not await asyncio.to_thread(containers, engine, run_id):
            return
        await asyncio.sleep(0.1)
    raise AssertionError(f"a run that does nothing keeps {containers(engine, run_id)}")


async def test_a_run_that_waits_for_a_person_keeps_no_container(
    docker_stack: Stack, docker_engine: docker.DockerClient
) -> None:
    docker_stack.scripted.clear()
    asks = says(call("ask_human", {"question": "Which colour?"}))
    model = script(docker_stack, "waits", says(bash(LEAVE)), asks, says(bash(LOOK)), *finish())
    run_id = await submit(docker_stack, model)
    await docker_stack.until(run_id, "human_answer", seconds=90)
    await none_left(docker_engine, run_id)
    await decide(docker_stack, run_id, decision="approve", edited={"answer": "blue"})
    await docker_stack.until(run_id, "completed", seconds=90)
    assert (await result(docker_stack, run_id, "turn/3/call/0"))["text"].strip().endswith(SEEN)


async def test_a_run_outlives_its_worker_in_the_middle_of_a_call(docker_stack: Stack) -> None:
    docker_stack.scripted.clear()
    expected = await undisturbed(docker_stack)
    run_id = await docker_stack.submit(task="Log", model="scripted:slow", plan=False)
    await docker_stack.until_event(run_id, f"{SLOW_CALL}/started/1")
    await asyncio.sleep(1)
    await docker_stack.worker.kill()
    await docker_stack.worker.start()
    await check(docker_stack, run_id, expected)
    assert await redone(docker_stack, run_id) == [f"{SLOW_CALL}/redone/1"]


async def test_a_run_outlives_the_disk_of_its_worker(docker_stack: Stack) -> None:
    docker_stack.scripted.clear()
    expected = await undisturbed(docker_stack)
    run_id = await docker_stack.submit(task="Log", model="scripted:slow", plan=False)
    await docker_stack.until_event(run_id, f"{SLOW_CALL}/started/1")
    await docker_stack.worker.kill()
    home = Path(docker_stack.environment["PERDURE_WORKER_HOME"])
    await asyncio.to_thread(shutil.rmtree, home)
    await docker_stack.worker.start()
    await check(docker_stack, run_id, expected)


async def test_a_long_call_is_handed_to_the_worker_that_takes_the_place(docker_stack: Stack) -> None:
    docker_stack.scripted.clear()
    run_id = await start_long(docker_stack, LONG)
    await docker_stack.until_event(run_id, f"{LONG_CALL}/started/1", seconds=120)
    await docker_stack.worker.end()
    await docker_stack.worker.start()
    await finished(docker_stack, run_id)
    assert await redone(docker_stack, run_id) == [f"{LONG_CALL}/redone/1"]
    assert len(await hosts_of(docker_stack, run_id)) == 1


async def test_a_worker_that_comes_back_late_changes_nothing(docker_stack: Stack) -> None:
    docker_stack.scripted.clear()
    await comes_back_late(docker_stack)
    await docker_stack.worker.start()
    await docker_stack.up()


async def test_a_run_goes_on_in_the_other_sandbox(docker_stack: Stack) -> None:
    docker_stack.scripted.clear()
    expected = await undisturbed(docker_stack)
    run_id = await docker_stack.submit(task="Log", model="scripted:slow", plan=False)
    await docker_stack.until_event(run_id, f"{SLOW_CALL}/started/1")
    await docker_stack.worker.kill()
    home = Path(docker_stack.environment["PERDURE_WORKER_HOME"])
    await asyncio.to_thread(shutil.rmtree, home)
    docker_stack.worker.environment["PERDURE_SANDBOX"] = "bubblewrap"
    await docker_stack.worker.start()
    await check(docker_stack, run_id, expected)
    opened = await docker_stack.events(run_id, "workspace_opened")
    assert [one["event"]["enforcement"]["sandbox"] for one in opened] == ["docker", "bubblewrap"]
    docker_stack.worker.environment["PERDURE_SANDBOX"] = "docker"
