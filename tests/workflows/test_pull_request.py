"""From a task to a pull request at a forge with real git in it, where Perdure logs in as an App."""

import asyncio
from collections.abc import AsyncIterator, Iterator
from pathlib import Path

import pytest
import pytest_asyncio
from temporalio.client import Client

from adapters.models.scripted import ScriptedServer
from tests.fixtures.forges.state import ForgedRepository
from tests.fixtures.git_server import git
from tests.fixtures.github import ForgeServer, forge_server
from tests.fixtures.stack import Stack, make_stack
from tests.workflows.sayings import card, completed, decide, failed
from tests.workflows.scripts import BROKEN, CHECK, MEND

PUBLIC = "https://perdure.example.com"


@pytest.fixture(scope="module")
def hosted(open_directory: Path) -> Iterator[ForgeServer]:
    with forge_server(open_directory / "hosted") as server:
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
    key = made.home / "app.pem"
    key.write_text(hosted.state.app.private_key())
    made.environment |= {
        "PERDURE_GITHUB_HOSTS": hosted.host,
        "GITHUB_API_URL": hosted.api_url,
        "GITHUB_APP_ID": hosted.state.app.id,
        "GITHUB_APP_KEY_PATH": str(key),
        "PERDURE_PUBLIC_URL": PUBLIC,
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


def branches(repository: ForgedRepository) -> list[str]:
    return [name for name in repository.branches() if name != "main"]


async def test_a_task_becomes_a_ready_pull_request(shop: Stack, hosted: ForgeServer, temporal_client: Client) -> None:
    repository = hosted.add("team/adder", BROKEN)
    run_id = await shop.submit(
        task="Mend add",
        repository={"url": hosted.url("team/adder")},
        model="scripted:mend",
        verify=[CHECK],
        publish="pull_request",
        pull_request={"labels": ["agent"], "reviewers": ["ada"], "team_reviewers": ["web"]},
    )
    run = await completed(shop, temporal_client, run_id)
    opened = run["pull_request"]
    assert run["result"]["pull_request"] == opened
    assert run["links"]["pull_request"] == opened["url"]
    assert (opened["number"], opened["draft"], opened["base"], opened["notes"]) == (1, False, "main", [])
    (pull,) = repository.pulls
    assert (pull.head, pull.labels, pull.reviewers, pull.teams) == (run["branch"], ["agent"], ["ada"], ["web"])
    assert pull.body.startswith("add adds now.")
    assert f"Run: {PUBLIC}/v1/runs/{run_id}" in pull.body
    assert git(repository.path, "show", f"{pull.head}:adder.py") == "def add(a, b):\n    return a + b"
    said = shop.worker.log.read_text() + shop.api.log.read_text()
    assert not [token for token in hosted.state.app.minted if token in said]
    assert hosted.breaches == []


async def test_one_word_is_for_the_push_and_the_pull_request(shop: Stack, hosted: ForgeServer) -> None:
    repository = hosted.add("team/asked", BROKEN)
    run_id = await shop.submit(
        task="Mend add",
        repository={"url": hosted.url("team/asked")},
        model="scripted:mend",
        publish_approval=True,
        pull_request={"title": "Mend the adder", "reviewers": ["ada"]},
    )
    await shop.until(run_id, "publish_approval")
    asked = await card(shop, run_id)
    assert "open a pull request" in asked["title"]
    told = asked["subject"]["pull_request"]
    assert (told["title"], told["base"], told["draft"], told["reviewers"]) == ("Mend the adder", "main", True, ["ada"])
    assert told["body"].startswith("add adds now.")
    await decide(shop, run_id, decision="reject", reason="Not today.")
    run = await shop.until(run_id, "completed")
    assert "Not today." in run["result"]["summary"]
    assert (run["result"]["pushed"], run["pull_request"], run["links"]["pull_request"]) == (False, None, None)
    assert (branches(repository), repository.pulls) == ([], [])


async def test_a_worker_that_dies_between_the_pull_request_and_its_receipt_opens_one(
    shop: Stack, hosted: ForgeServer, temporal_client: Client
) -> None:
    repository = hosted.add("team/killed", BROKEN)
    held = hosted.hold("/team/killed/pulls")
    run_id = await shop.submit(
        task="Mend add",
        repository={"url": hosted.url("team/killed")},
        model="scripted:mend",
        verify=[CHECK],
        publish="pull_request",
        pull_request={"labels": ["agent"]},
    )
    assert await asyncio.to_thread(held.reached.wait, 90)
    await shop.worker.kill()
    held.release.set()
    assert len(repository.pulls) == 1
    assert await shop.events(run_id, "effect_done") == [
        one for one in await shop.events(run_id, "effect_done") if one["event"]["effect"] == "push"
    ]
    await shop.worker.start()
    run = await completed(shop, temporal_client, run_id)
    (pull,) = repository.pulls
    assert (run["pull_request"]["number"], pull.labels, pull.draft) == (1, ["agent"], False)
    done = await shop.events(run_id, "effect_done")
    assert [(one["event"]["effect"], one["event"]["found"]) for one in done] == [
        ("push", False),
        ("pull_request", True),
    ]
    assert hosted.count("POST", "/team/killed/pulls") == 1


async def test_a_forge_that_refuses_fails_the_run_and_the_branch_is_there(
    shop: Stack, hosted: ForgeServer, temporal_client: Client
) -> None:
    repository = hosted.add("team/refused", BROKEN)
    run_id = await shop.submit(
        task="Mend add",
        repository={"url": hosted.url("team/refused")},
        model="scripted:mend",
        pull_request={"base": "absent"},
    )
    ended = await failed(shop, temporal_client, run_id)
    assert "base invalid" in ended["summary"]
    assert ended["pushed"] is True
    assert branches(repository) == [ended["work"]["branch"]]


@pytest.mark.parametrize(
    ("wrong", "said"),
    [
        ({"repository": {"url": "https://git.example.com/team/app.git"}}, "PERDURE_GITHUB_HOSTS"),
        ({"repository": None}, "no repository"),
        ({"publish": "branch"}, "Publish a `pull_request`"),
        ({"pull_request": {"base": "a..b"}}, "pull_request.base"),
        ({"pull_request": {"reviewers": ["not a name"]}}, "pull_request.reviewers.0"),
        ({"pull_request": {"labels": ["x" * 51]}}, "pull_request.labels.0"),
        ({"pull_request": {"title": "a\nb"}}, "pull_request.title"),
    ],
)
async def test_a_pull_request_that_cannot_be_is_refused_at_once(
    shop: Stack, hosted: ForgeServer, wrong: dict[str, object], said: str
) -> None:
    good = {"repository": {"url": f"{hosted.origin}/team/app.git"}, "pull_request": {}}
    answer = await shop.http.post("/v1/runs", json={"task": "Do it", **good, **wrong})
    assert answer.status_code == 422
    assert said in answer.text
    assert answer.json()["next_step"]
