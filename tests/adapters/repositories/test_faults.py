import pytest

from adapters.repositories.address import Remote
from adapters.repositories.faults import local_fault, remote_fault
from adapters.repositories.program import GitResult
from domain.errors import OutOfSpace, PerdureError, RemoteUnavailable, RepositoryRefused, StorageUnavailable

REMOTE = Remote(url="https://git.example/app", location="https://git.example/app", protocol="https", host="git.example")
URL = "fatal: unable to access 'https://git.example/app/': "


@pytest.mark.parametrize(
    ("said", "kind"),
    [
        ("fatal: Authentication failed for 'https://git.example/app/'", RepositoryRefused),
        ("fatal: could not read Username for 'https://git.example': terminal prompts disabled", RepositoryRefused),
        (f"{URL}The requested URL returned error: 403", RepositoryRefused),
        (f"{URL}The requested URL returned error: 301", RepositoryRefused),
        ("remote: Repository not found.\nfatal: repository 'https://git.example/app/' not found", RepositoryRefused),
        (" ! [remote rejected] x -> x (pre-receive hook declined)", RepositoryRefused),
        ("fatal: protocol error\nerror: object 1: hasDotgit: contains '.git'\nfatal: fsck error", RepositoryRefused),
        (f"{URL}SSL certificate problem: unable to get local issuer certificate", RepositoryRefused),
        (f"{URL}Could not resolve host: git.example", RemoteUnavailable),
        (f"{URL}Failed to connect to git.example port 443: Connection refused", RemoteUnavailable),
        (f"{URL}The requested URL returned error: 502", RemoteUnavailable),
        (f"{URL}The requested URL returned error: 429", RemoteUnavailable),
        ("error: RPC failed; curl 56 Recv failure: Connection reset by peer", RemoteUnavailable),
        ("fatal: the remote end hung up unexpectedly", RemoteUnavailable),
        ("fatal: early EOF", RemoteUnavailable),
        ("something that no git has said before", RemoteUnavailable),
        ("fatal: write error: No space left on device", OutOfSpace),
    ],
)
def test_what_git_says_of_a_remote_is_told_apart(said: str, kind: type[PerdureError]) -> None:
    fault = remote_fault(GitResult(128, error=said), REMOTE, "fetching")
    assert type(fault) is kind
    assert fault.message.startswith("https://git.example/app: fetching failed")
    assert fault.next_step or kind is RemoteUnavailable


def test_a_login_that_fails_says_whether_a_token_was_offered() -> None:
    said = GitResult(128, error="fatal: Authentication failed for 'https://git.example/app/'")
    without = remote_fault(said, REMOTE, "fetching").next_step
    offered = Remote(REMOTE.url, REMOTE.location, "https", "git.example", token="s3cret")
    having = remote_fault(said, offered, "fetching").next_step
    assert "names git.example in PERDURE_GIT_TOKEN_HOSTS" in without
    assert "was offered" in having
    assert "s3cret" not in having


def test_a_git_that_was_stopped_is_worth_another_try() -> None:
    stopped = GitResult(124, ended="git was stopped after 60 seconds")
    assert type(remote_fault(stopped, REMOTE, "fetching")) is RemoteUnavailable


def test_failures_of_our_own_mirrors_are_failures_of_storage() -> None:
    assert type(local_fault(GitResult(128, error="fatal: bad pack"), "git index-pack")) is StorageUnavailable
    assert type(local_fault(GitResult(128, error="fatal: Disk quota exceeded"), "git index-pack")) is OutOfSpace
