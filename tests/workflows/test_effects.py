"""A worker that dies between an effect and its receipt: nothing is lost at the forge and nothing is there twice."""

import asyncio
from collections.abc import AsyncIterator, Iterator
from pathlib import Path
from typing import Any

import pytest
import pytest_asyncio
from temporalio.client import Client

from adapters.models.scripted import ScriptedServer
from tests.fixtures.forges.state import TOKEN
from tests.fixtures.git_server import git
from tests.fixtures.github import ForgeServer, Hold, forge_server
from tests.fixtures.stack import Stack, make_stack
from tests.workflows.sayings import completed
from tests.workflows.scripts import BROKEN, MEND

PATIENCE = 150.0


@pytest.fixture(scope="module")
def hosted(open_directory: Path) -> Iterator[ForgeServer]:
    with forge_server(open_directory / "effects-forge") as server:
        yield server


@pytest_asyncio.fixture(scope="module", loop_scope="session")
async def shop(
    hosted: ForgeServer,
    open_directory: Path,
    module_database_url: str,
    temporal_address: str,
    _scripted_server: ScriptedServer,
) -> AsyncIterator[Stack]:
    made = make_stack(open_directory, module_database_url, temporal_address, _scripted_server)
    made.environment |= {
        "PERDURE_GITHUB_HOSTS": hosted.host,
        "GITHUB_API_URL": hosted.api_url,
        "GITHUB_TOKEN": TOKEN,
    }
    await made.api.start()
    await made.worker.start()
    await made.up()
    made.scripted.add("mend", MEND)
    yield made
    await made.http.aclose()
    await made.worker.end()
    await made.api.end()
    made.remote.stop()


async def killed_at(shop: Stack, held: Hold) -> None:
    """The worker dies while the forge, which has done what it was asked, has not answered yet."""
    assert await asyncio.to_thread(held.reached.wait, PATIENCE)
    await shop.worker.kill()
    held.release.set()
    await shop.worker.start()


async def outcomes(shop: Stack, run_id: str) -> list[tuple[str, bool]]:
    return [(one["event"]["effect"], one["event"]["found"]) for one in await shop.events(run_id, "effect_done")]


async def test_a_push_whose_worker_dies_before_its_receipt_is_found(
    shop: Stack, hosted: ForgeServer, temporal_client: Client
) -> None:
    repository = hosted.add("team/pushed", BROKEN)
    held = hosted.hold("/team/pushed.git/git-receive-pack")
    pushes = hosted.pushes
    run_id = await shop.submit(
        task="Mend add", repository={"url": hosted.url("team/pushed")}, model="scripted:mend", plan=False
    )
    await killed_at(shop, held)
    run = await completed(shop, temporal_client, run_id)
    assert hosted.pushes == pushes + 1
    assert sorted(repository.branches()) == ["main", run["branch"]]
    assert git(repository.path, "rev-parse", run["branch"]) == run["result"]["work"]["commit"]
    assert await outcomes(shop, run_id) == [("push", True)]


async def test_a_run_tells_an_issue_its_result_once_though_its_worker_dies(
    shop: Stack, hosted: ForgeServer, temporal_client: Client
) -> None:
    repository = hosted.add("team/told", BROKEN)
    repository.issues.add(7)
    held = hosted.hold("/team/told/issues/7/comments")
    run_id = await shop.submit(
        task="Mend add",
        repository={"url": hosted.url("team/told")},
        model="scripted:mend",
        plan=False,
        comment_on=7,
    )
    await killed_at(shop, held)
    await completed(shop, temporal_client, run_id)
    await shop.until_event(run_id, "effect/comment/done", seconds=PATIENCE)
    (comment,) = repository.comments
    assert "the run is completed" in comment.body
    assert "add adds now." in comment.body
    assert await outcomes(shop, run_id) == [("push", False), ("comment", True)]
    assert hosted.count("POST", "/team/told/issues/7/comments") == 1


async def test_an_issue_that_is_not_there_fails_nothing_and_is_seen(
    shop: Stack, hosted: ForgeServer, temporal_client: Client
) -> None:
    hosted.add("team/silent", BROKEN)
    asked: dict[str, Any] = {"repository": {"url": hosted.url("team/silent")}, "model": "scripted:mend", "plan": False}
    run_id = await shop.submit(task="Mend add", comment_on=9, **asked)
    await completed(shop, temporal_client, run_id)
    given_up = await shop.until_event(run_id, "effect/comment/given_up", seconds=PATIENCE)
    assert (given_up["event"]["target"], "404" in given_up["event"]["reason"]) == ("#9", True)
    assert (await shop.get(f"/v1/runs/{run_id}"))["status"] == "completed"


async def test_where_nobody_could_comment_the_request_is_refused(shop: Stack) -> None:
    url = shop.repository("elsewhere", BROKEN)
    for wrong in ({"comment_on": 7}, {"comment_on": 7, "repository": {"url": url}}, {"comment_on": 0}):
        answer = await shop.http.post("/v1/runs", json={"task": "Do it", **wrong})
        assert answer.status_code == 422
        assert "comment_on" in answer.text
