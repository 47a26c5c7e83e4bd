"""Who is told the token, by git itself over real HTTP."""

import os
import shutil
from collections.abc import Generator
from pathlib import Path

import pytest

from adapters.repositories.environment import token_environment, write_askpass
from adapters.repositories.program import GitCall, GitResult, run_git
from domain.repository import RepositorySpec
from tests.adapters.repositories.conftest import Make
from tests.fixtures.git_server import GitServer, git_server

TOKEN = "s3cret-token"
FOLLOWED = ("-c", "http.followRedirects=true")


@pytest.fixture
def thief(place: Path) -> Generator[GitServer]:
    """A server that asks for a password, and keeps what it gets."""
    (place / "thief").mkdir()
    with git_server(place / "thief", token="any") as running:
        yield running


@pytest.fixture
def guarded(server: GitServer, source: Path) -> GitServer:
    server.add("app.git", source)
    server.token = TOKEN
    return server


def origin(server: GitServer) -> str:
    return server.origin.removeprefix("http://")


async def asked(server: GitServer, askpass: Path, *options: str, host: str = "") -> GitResult:
    environment = token_environment(askpass, "http", host or origin(server), TOKEN)
    arguments = [*options, "ls-remote", "--", server.url("app.git")]
    return await run_git(GitCall(arguments, environment=environment, protocol="http", secrets=(TOKEN,)))


async def test_the_token_is_sent_only_after_it_was_asked_for(guarded: GitServer, place: Path) -> None:
    assert (await asked(guarded, write_askpass(place / "askpass.sh"))).ok
    assert (guarded.passwords[0], guarded.passwords[-1]) == (None, TOKEN)


async def test_a_server_that_asks_for_nothing_is_told_nothing(guarded: GitServer, place: Path) -> None:
    guarded.token = None
    assert (await asked(guarded, write_askpass(place / "askpass.sh"))).ok
    assert set(guarded.passwords) == {None}


async def test_a_server_that_the_token_is_not_for_is_told_nothing(guarded: GitServer, place: Path) -> None:
    result = await asked(guarded, write_askpass(place / "askpass.sh"), host="elsewhere.example")
    assert not result.ok
    assert set(guarded.passwords) == {None}
    assert TOKEN not in result.error


async def test_the_target_of_a_redirect_is_told_nothing_even_where_redirects_are_followed(
    guarded: GitServer, thief: GitServer, place: Path
) -> None:
    guarded.redirect_to = thief.origin
    assert not (await asked(guarded, write_askpass(place / "askpass.sh"))).ok
    assert thief.requests == []
    assert not (await asked(guarded, write_askpass(place / "askpass.sh"), *FOLLOWED)).ok
    assert thief.passwords
    assert set(thief.passwords) == {None}


async def test_a_script_that_answers_every_question_does_tell_the_thief(
    guarded: GitServer, thief: GitServer, place: Path
) -> None:
    """The control: git would have followed, and asked."""
    naive = place / "naive.sh"
    naive.write_text('#!/bin/sh\necho "$PERDURE_ASKPASS_TOKEN"\n')
    naive.chmod(0o755)
    guarded.redirect_to = thief.origin
    await asked(guarded, naive, *FOLLOWED)
    assert TOKEN in thief.passwords


async def test_a_login_in_the_middle_of_a_redirect_stays_where_it_was_given(
    guarded: GitServer, thief: GitServer, make: Make
) -> None:
    """First the server takes the token, then it sends git, which has it by now, elsewhere."""
    repositories = make(git_token=TOKEN, git_token_hosts=(origin(guarded),))
    await repositories.resolve(RepositorySpec(url=guarded.url("app.git")))
    askpass = write_askpass(guarded.root / "askpass.sh")
    guarded.redirect_after = 1, thief.origin
    guarded.passwords.clear()
    assert not (await asked(guarded, askpass, *FOLLOWED)).ok
    assert TOKEN in guarded.passwords
    assert thief.passwords
    assert TOKEN not in thief.passwords


async def test_the_address_may_be_written_in_capitals(guarded: GitServer, make: Make) -> None:
    port = origin(guarded).partition(":")[2]
    repositories = make(git_token=TOKEN, git_token_hosts=(f"localhost:{port}",))
    await repositories.resolve(RepositorySpec(url=f"HTTP://LocalHost:{port}/app.git"))
    assert guarded.passwords[-1] == TOKEN


async def test_the_token_is_in_no_argument_and_in_no_environment_but_gits(
    guarded: GitServer, make: Make, place: Path
) -> None:
    """A git in front of the real one keeps what it was started with."""
    arguments, variables = place / "arguments", place / "variables"
    front = place / "bin" / "git"
    front.parent.mkdir()
    real = shutil.which("git")
    front.write_text(f'#!/bin/sh\nprintf "%s\\n" "$@" >>{arguments}\nenv >>{variables}\nexec {real} "$@"\n')
    front.chmod(0o755)
    environment = token_environment(write_askpass(place / "askpass.sh"), "http", origin(guarded), TOKEN)
    path = {"PATH": f"{front.parent}:{os.environ['PATH']}"}
    call = GitCall(["ls-remote", "--", guarded.url("app.git")], environment=environment | path, protocol="http")
    assert (await run_git(call)).ok
    assert TOKEN in variables.read_text()
    assert TOKEN not in arguments.read_text()
    assert TOKEN not in repr(os.environ)
