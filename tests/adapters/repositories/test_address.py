import pytest

from adapters.repositories.address import RemotePolicy, mirror_name
from domain.errors import RepositoryRefused


@pytest.mark.parametrize(
    "url",
    [
        "git@github.example:team/app.git",
        "ssh://git@github.example/team/app.git",
        "ext::sh -c touch% /marker",
        "file:///srv/app",
        "ftp://host/app",
        "relative/path",
        "-u./payload",
        "--upload-pack=touch",
        "https://",
        "https://host",
        "https://host/",
        "https://host/app?token=x",
        "https://host/app#x",
        "https://host:port/app",
        "https://ho st/app",
        "https://host/app\n",
        "https://[::1/app",
        "https://host\\@evil/app",
        "http://example.com/app",
        "",
    ],
)
def test_an_address_that_is_not_plain_https_is_refused_with_a_way_out(url: str) -> None:
    with pytest.raises(RepositoryRefused) as refused:
        RemotePolicy().admit(url)
    assert refused.value.next_step


def test_an_ssh_address_is_answered_with_its_https_form() -> None:
    with pytest.raises(RepositoryRefused) as refused:
        RemotePolicy().admit("git@github.example:team/app.git")
    assert "https://github.example/team/app.git" in refused.value.next_step


def test_a_password_in_the_address_is_refused_and_not_repeated() -> None:
    with pytest.raises(RepositoryRefused) as refused:
        RemotePolicy().admit("https://me:hunter2@host/app")
    assert "hunter2" not in refused.value.message + refused.value.next_step
    assert "PERDURE_GIT_TOKEN" in refused.value.next_step


def test_only_listed_hosts_are_allowed_where_there_is_a_list() -> None:
    policy = RemotePolicy(allowed_hosts=("git.example", "other.example:8443"))
    assert policy.admit("https://git.example/app").protocol == "https"
    assert policy.admit("https://GIT.example:444/app").host == "git.example:444"
    assert policy.admit("https://other.example:8443/app").url == "https://other.example:8443/app"
    for url in ("https://other.example/app", "https://git.example.evil/app"):
        with pytest.raises(RepositoryRefused) as refused:
            policy.admit(url)
        assert "PERDURE_ALLOWED_HOSTS" in refused.value.next_step


@pytest.mark.parametrize("host", ["127.0.0.1:8000", "localhost", "[::1]:80"])
def test_plain_http_is_for_loopback(host: str) -> None:
    assert RemotePolicy().admit(f"http://{host}/app").protocol == "http"


def test_plain_http_is_for_hosts_that_the_operator_lists() -> None:
    assert RemotePolicy(allowed_hosts=("forge.internal",)).admit("http://forge.internal/app").protocol == "http"


def test_the_token_goes_to_its_own_hosts_only() -> None:
    policy = RemotePolicy(git_token="secret", git_token_hosts=("git.example",))
    assert policy.admit("https://git.example/app").token == "secret"
    assert policy.admit("https://other.example/app").token is None
    assert "secret" not in repr(policy)


def test_mirrors_have_readable_names() -> None:
    assert mirror_name("https://host/team/My.App.git") == "My-App"
    assert mirror_name("") == ""
