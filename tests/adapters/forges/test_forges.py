"""Which repositories pull requests can be opened for, and what is missing where they cannot."""

import pytest

from adapters.forges import SettledForges, make_forges
from adapters.settings import load_settings
from domain.errors import InvalidRequest
from tests.fixtures.github import ForgeServer

URL = "https://github.com/team/app.git"


def forges(**named: str) -> SettledForges:
    return make_forges(load_settings({"PERDURE_HOME": "/nowhere", **named}))


@pytest.mark.parametrize(
    ("url", "named", "said"),
    [
        ("https://git.example.com/team/app", {"GITHUB_TOKEN": "t"}, "PERDURE_GITHUB_HOSTS"),
        ("/srv/app", {"GITHUB_TOKEN": "t"}, "a local path"),
        (URL, {}, "GITHUB_TOKEN, or GITHUB_APP_ID and GITHUB_APP_KEY_PATH"),
        (URL, {"GITHUB_APP_ID": "1"}, "GITHUB_APP_KEY_PATH"),
        ("https://github.com/team", {"GITHUB_TOKEN": "t"}, "owner/name"),
        ("https://github.com/../app", {"GITHUB_TOKEN": "t"}, "owner/name"),
        ("https://github.com/team/app/tree/main", {"GITHUB_TOKEN": "t"}, "owner/name"),
    ],
)
async def test_what_has_no_forge_is_refused_with_what_to_set(url: str, named: dict[str, str], said: str) -> None:
    with pytest.raises(InvalidRequest) as refused:
        forges(**named).check(url)
    assert said in refused.value.message + refused.value.next_step
    if "owner" not in said:
        assert forges(**named).get(url) is None
        assert await forges(**named).token(url) is None
        assert forges(**named).remedy(url) == ""


@pytest.mark.parametrize("url", [URL, "https://GitHub.com/team/app", "https://github.com/team/app/"])
async def test_a_token_serves_pull_requests_and_git_of_its_hosts_alone(url: str) -> None:
    mine = forges(GITHUB_TOKEN="t")
    mine.check(url)
    assert mine.get(url) is not None
    assert await mine.token(url) == "t"
    assert await mine.token("https://github.com.example.com/team/app") is None
    assert await mine.token("https://example.com/github.com/app") is None


async def test_the_fake_forge_reports_what_githubs_description_does_not_know(forge: ForgeServer) -> None:
    """Judged by its own tests as well: a judge that never speaks would prove nothing."""
    import httpx2

    forge.add("team/app")
    (token,) = forge.state.tokens
    headers = {"Authorization": f"token {token}"}
    async with httpx2.AsyncClient(base_url=forge.api_url, headers=headers) as client:
        right = await client.get("/repos/team/app/pulls", params={"state": "open"})
        assert right.status_code == 200
        assert forge.breaches == []
        await client.get("/repos/team/app/pulls", params={"state": "ajar"})
        await client.post("/repos/team/app/pulls", json={"title": 3, "base": "main"})
    assert len(forge.breaches) == 2
    assert "ajar" in forge.breaches[0]
    assert forge.judge.judged[1:] == ["GET /repos/{owner}/{repo}/pulls", "POST /repos/{owner}/{repo}/pulls"]
    forge.breaches.clear()
