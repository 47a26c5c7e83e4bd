"""GitHub's adapter against a forge that has real git in it and is judged by GitHub's own description."""

from collections.abc import Callable, Generator
from pathlib import Path

import pytest

from adapters.forges import SettledForges, make_forges
from adapters.settings import load_settings
from domain.errors import RemoteUnavailable, RepositoryRefused
from domain.ports import Forge
from domain.pull_request import NewPullRequest, PullRequestText
from tests.fixtures.forges.state import ME, TOKEN
from tests.fixtures.git_server import git
from tests.fixtures.github import Fault, ForgeServer, forge_server

TEXT = PullRequestText(title="Mend add", body="It adds now.\n\nPerdure-Run: r1")
WANTED = NewPullRequest(head="perdure/mend", base=None, draft=True, text=TEXT)
REPO = "team/app"

Settle = Callable[[ForgeServer], SettledForges]


def by_token(forge: ForgeServer) -> SettledForges:
    return settled(forge, GITHUB_TOKEN=TOKEN)


def by_app(forge: ForgeServer) -> SettledForges:
    key = forge.state.root / "app.pem"
    key.write_text(forge.state.app.private_key())
    return settled(forge, GITHUB_APP_ID=forge.state.app.id, GITHUB_APP_KEY_PATH=str(key))


def settled(forge: ForgeServer, **more: str) -> SettledForges:
    named = {"PERDURE_HOME": "/nowhere", "PERDURE_GITHUB_HOSTS": forge.host, "GITHUB_API_URL": forge.api_url}
    return make_forges(load_settings({**named, **more}))


def at(forge: ForgeServer, settle: Settle = by_token) -> Forge:
    found = settle(forge).get(forge.url(REPO))
    assert found is not None
    return found


@pytest.fixture(params=["", "/api/v3"], ids=["github", "enterprise"])
def served(request: pytest.FixtureRequest, tmp_path: Path) -> Generator[ForgeServer]:
    with forge_server(tmp_path / "forge", request.param) as server:
        branch(server)
        yield server


@pytest.fixture
def one(forge: ForgeServer) -> ForgeServer:
    branch(forge)
    return forge


def branch(forge: ForgeServer, name: str = WANTED.head) -> None:
    """A branch with one commit more than `main`."""
    bare = forge.add(REPO).path if REPO not in forge.state.repositories else forge.state.repositories[REPO].path
    tree = git(bare, "rev-parse", "main^{tree}")
    commit = git(bare, "commit-tree", tree, "-p", "main", "-m", "More")
    git(bare, "update-ref", f"refs/heads/{name}", commit)


@pytest.mark.parametrize("settle", [by_token, by_app])
async def test_a_pull_request_is_opened_found_and_brought_to_its_end(served: ForgeServer, settle: Settle) -> None:
    github, url = at(served, settle), served.url(REPO)
    assert await github.find(url, WANTED.head) is None
    opened = await github.open(url, WANTED)
    assert (opened.number, opened.head, opened.base, opened.draft) == (1, "perdure/mend", "main", True)
    assert opened.is_of("r1")
    await github.add_labels(url, 1, ("agent", "a label that is new"))
    assert await github.request_reviewers(url, 1, ("ada",), ("web",)) == ()
    await github.mark_ready(url, opened)
    changed = await github.update(url, 1, PullRequestText(title="Mend add well", body="B"))
    assert changed.text.title == "Mend add well"
    found = await github.find(url, WANTED.head)
    assert found is not None
    assert (found.draft, found.labels, found.reviewers) == (False, ("agent", "a label that is new"), ("ada",))
    assert found.team_reviewers == ("web",)


async def test_opening_what_is_open_already_answers_with_it(one: ForgeServer) -> None:
    github, url = at(one), one.url(REPO)
    first = await github.open(url, WANTED)
    assert await github.open(url, WANTED.model_copy(update={"draft": False})) == first
    assert len(one.state.repositories[REPO].pulls) == 1


async def test_the_probe_prefers_an_open_one_and_finds_a_closed_one(one: ForgeServer) -> None:
    github, url = at(one), one.url(REPO)
    await github.open(url, WANTED)
    pulls = one.state.repositories[REPO].pulls
    pulls[0].state = "closed"
    found = await github.find(url, WANTED.head)
    assert found is not None
    assert found.state == "closed"
    await github.open(url, WANTED)
    pulls[0].state, pulls[1].state = "open", "closed"
    again = await github.find(url, WANTED.head)
    assert again is not None
    assert again.number == 1


async def test_where_there_are_no_drafts_a_ready_one_is_opened(one: ForgeServer) -> None:
    one.state.repositories[REPO].drafts = False
    opened = await at(one).open(one.url(REPO), WANTED)
    assert opened.draft is False


async def test_reviewers_who_cannot_be_asked_keep_nobody_else_from_being_asked(one: ForgeServer) -> None:
    github, url = at(one), one.url(REPO)
    await github.open(url, WANTED)
    refused = await github.request_reviewers(url, 1, ("ada", "stranger", ME), ("web", "absent"))
    assert [text.partition(":")[0] for text in refused] == ["stranger", ME, "absent"]
    assert "collaborators" in refused[0]
    pull = one.state.repositories[REPO].pulls[0]
    assert (pull.reviewers, pull.teams) == (["ada"], ["web"])


async def test_what_github_cannot_use_is_said_in_its_own_words(one: ForgeServer) -> None:
    github, url = at(one), one.url(REPO)
    git(one.state.repositories[REPO].path, "update-ref", "refs/heads/same", "main")
    wrong = {
        "PullRequest head invalid": WANTED.model_copy(update={"head": "absent"}),
        "PullRequest base invalid": WANTED.model_copy(update={"base": "absent"}),
        "No commits between main and same": WANTED.model_copy(update={"head": "same"}),
    }
    for said, wanted in wrong.items():
        with pytest.raises(RepositoryRefused, match=said) as refused:
            await github.open(url, wanted)
        assert refused.value.next_step


@pytest.mark.parametrize(
    ("fault", "seconds"),
    [
        (Fault("/pulls", 403, {"Retry-After": "7"}, {"message": "You have exceeded a secondary rate limit"}), 7.0),
        (Fault("/pulls", 429, {"Retry-After": "9"}, {"message": "Slow down"}), 9.0),
        (Fault("/pulls", 403, {"X-RateLimit-Remaining": "0", "X-RateLimit-Reset": "1"}, {"message": "Used up"}), 0.0),
        (Fault("/pulls", 403, {}, {"message": "You have exceeded a secondary rate limit."}), 60.0),
        (Fault("/pulls", 429, {"Retry-After": "soon"}, {"message": "Slow down"}), None),
        (Fault("/pulls", 500, {}, {"message": "Oh"}), None),
        (Fault("/pulls", 503, {}, "<html>"), None),
        (Fault("/pulls", 200, {}, "<html>"), None),
        (Fault("/pulls", 200, {}, [{"number": 1}]), None),
    ],
)
async def test_what_may_pass_is_left_to_temporal_and_never_asked_twice(
    one: ForgeServer, fault: Fault, seconds: float | None
) -> None:
    one.faults.append(fault)
    with pytest.raises(RemoteUnavailable) as later:
        await at(one).find(one.url(REPO), WANTED.head)
    assert later.value.retry_after_seconds == seconds
    assert one.asked == ["GET /repos/team/app/pulls"]


@pytest.mark.parametrize(
    ("fault", "said"),
    [
        (Fault("/pulls", 401, {}, {"message": "Bad credentials"}), "GITHUB_TOKEN"),
        (Fault("/pulls", 403, {}, {"message": "Resource not accessible by integration"}), "pull requests"),
        (Fault("/pulls", 404, {}, {"message": "Not Found"}), "address"),
        (Fault("/pulls", 410, {}, {"message": "Gone"}), "turned off"),
        (Fault("/pulls", 422, {}, {"message": "Validation Failed", "errors": ["odd"]}), "Change"),
        (Fault("/pulls", 418, {}, None), "GITHUB_API_URL"),
        (Fault("/pulls", 301, {"Location": "https://example.com/new"}, None), "https://example.com/new"),
    ],
)
async def test_what_will_not_pass_says_what_to_do(one: ForgeServer, fault: Fault, said: str) -> None:
    one.faults.append(fault)
    with pytest.raises(RepositoryRefused) as refused:
        await at(one).find(one.url(REPO), WANTED.head)
    assert said in refused.value.next_step
    assert TOKEN not in refused.value.message + refused.value.next_step
    assert len(one.asked) == 1


async def test_a_lost_answer_is_found_by_the_probe(one: ForgeServer) -> None:
    github, url = at(one), one.url(REPO)
    one.drops.append("/pulls")
    with pytest.raises(RemoteUnavailable):
        await github.open(url, WANTED)
    found = await github.find(url, WANTED.head)
    assert found is not None
    assert found.is_of("r1")


async def test_a_forge_that_is_not_there_is_waited_for(one: ForgeServer) -> None:
    one.stop()
    with pytest.raises(RemoteUnavailable):
        await at(one).find(one.url(REPO), WANTED.head)


async def test_marking_what_is_gone_as_ready_is_refused(one: ForgeServer) -> None:
    github, url = at(one), one.url(REPO)
    opened = await github.open(url, WANTED)
    with pytest.raises(RepositoryRefused, match="global id"):
        await github.mark_ready(url, opened.model_copy(update={"id": "PR_gone"}))


async def test_an_apps_token_is_for_one_repository_minted_once_and_minted_anew_in_time(one: ForgeServer) -> None:
    forges = by_app(one)
    url = one.url(REPO)
    token = await forges.token(url)
    assert await forges.token(url) == token
    assert token is not None
    assert one.state.app.minted[token][0] == {REPO}
    assert one.count("POST", "/access_tokens") == 1
    one.state.app.token_seconds = 30.0
    short = by_app(one)
    assert await short.token(url) != await short.token(url)


async def test_an_app_that_is_not_installed_leaves_git_without_a_login_and_refuses_pull_requests(
    one: ForgeServer,
) -> None:
    one.state.repositories[REPO].installed = False
    forges = by_app(one)
    assert await forges.token(one.url(REPO)) is None
    assert "Install the GitHub App" in forges.remedy(one.url(REPO))
    github = forges.get(one.url(REPO))
    assert github is not None
    with pytest.raises(RepositoryRefused, match="installation on team/app"):
        await github.find(one.url(REPO), WANTED.head)
    assert one.count("GET", "/installation") == 1


@pytest.mark.parametrize("key", ["no key at all", None])
async def test_a_key_that_is_none_is_named(one: ForgeServer, tmp_path: Path, key: str | None) -> None:
    path = tmp_path / "wrong.pem"
    if key is not None:
        path.write_text(key)
    forges = settled(one, GITHUB_APP_ID="1", GITHUB_APP_KEY_PATH=str(path))
    with pytest.raises(RepositoryRefused) as refused:
        await forges.token(one.url(REPO))
    assert "GITHUB_APP_KEY_PATH" in refused.value.next_step
