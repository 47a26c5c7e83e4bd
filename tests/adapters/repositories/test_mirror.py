import asyncio
import shutil
from pathlib import Path

import pytest

from adapters.blobs import ObjectBlobs
from adapters.repositories import EMPTY_REPOSITORY, GitRepositories
from adapters.repositories.empty import EMPTY_COMMIT, EMPTY_TREE, empty_pack
from domain.errors import RemoteUnavailable, RepositoryRefused
from domain.repository import RepositorySpec
from tests.adapters.repositories.conftest import Make
from tests.fixtures.git_server import GitServer, commit_files, git, git_server


def uploads(server: GitServer) -> int:
    return sum("POST" in line and "git-upload-pack" in line for line in server.requests)


async def test_a_url_a_branch_and_a_path_are_resolved_to_the_commit(
    repositories: GitRepositories, server: GitServer, source: Path
) -> None:
    server.add("app.git", source)
    head = git(source, "rev-parse", "HEAD")
    for url in (server.url("app.git"), str(source)):
        resolved = await repositories.resolve(RepositorySpec(url=url))
        assert (resolved.url, resolved.ref, resolved.commit) == (url, "main", head)


async def test_the_stored_pack_has_all_that_the_commit_needs(
    repositories: GitRepositories, source: Path, blobs: ObjectBlobs, place: Path
) -> None:
    commit_files(source, {"more.txt": "more\n"})
    resolved = await repositories.resolve(RepositorySpec(url=str(source)))
    (place / "bare").mkdir()
    git(place / "bare", "init", "--quiet", "--bare")
    git(place / "bare", "index-pack", "--stdin", "--strict", stdin=await blobs.get(resolved.pack))
    assert git(place / "bare", "rev-list", "--objects", resolved.commit).count("\n") > 5


async def test_an_up_to_date_mirror_fetches_nothing_and_stores_nothing_again(
    repositories: GitRepositories, server: GitServer, source: Path
) -> None:
    server.add("app.git", source)
    spec = RepositorySpec(url=server.url("app.git"))
    first = await repositories.resolve(spec)
    server.requests.clear()
    assert await repositories.resolve(spec) == first
    assert uploads(server) == 1, "one listing and no fetch"


async def test_what_is_new_at_the_origin_is_fetched(repositories: GitRepositories, source: Path) -> None:
    spec = RepositorySpec(url=str(source))
    first = await repositories.resolve(spec)
    new = commit_files(source, {"new.txt": "new\n"})
    second = await repositories.resolve(spec)
    assert second.commit == new != first.commit
    git(source, "reset", "--quiet", "--hard", first.commit)
    rewritten = commit_files(source, {"other.txt": "other\n"})
    assert (await repositories.resolve(spec)).commit == rewritten
    mirror = repositories.mirror(first)
    assert {git(mirror, "cat-file", "-t", one) for one in (first.commit, new, rewritten)} == {"commit"}


async def test_tags_and_commits_are_resolved_as_asked(
    repositories: GitRepositories, server: GitServer, source: Path
) -> None:
    first = git(source, "rev-parse", "HEAD")
    git(source, "tag", "--annotate", "--message", "one", "v1")
    commit_files(source, {"new.txt": "new\n"})
    git(source, "update-ref", "refs/pull/7/head", first)
    for url in (server.url("app.git"), str(source)):
        git(server.root, "clone", "--quiet", "--mirror", str(source), "app.git", fails=True)
        for asked, named in ((first, first), (first[:12], first), ("v1", "tags/v1"), ("refs/pull/7/head",) * 2):
            resolved = await repositories.resolve(RepositorySpec(url=url, ref=asked))
            assert (resolved.commit, resolved.ref) == (first, named)


async def test_a_ref_that_does_not_exist_names_those_that_are_near(
    repositories: GitRepositories, server: GitServer, source: Path
) -> None:
    git(source, "branch", "feature/login")
    server.add("app.git", source)
    for url in (server.url("app.git"), str(source)):
        with pytest.raises(RepositoryRefused) as refused:
            await repositories.resolve(RepositorySpec(url=url, ref="feature/logn"))
        assert "feature/login" in refused.value.next_step
        for absent in ("abcdef1234", "a" * 40):
            with pytest.raises(RepositoryRefused, match=r"no branch, tag or commit|no such commit"):
                await repositories.resolve(RepositorySpec(url=url, ref=absent))


async def test_a_repository_without_commits_is_refused(repositories: GitRepositories, place: Path) -> None:
    git(place, "init", "--quiet", "bare-new")
    with pytest.raises(RepositoryRefused, match="no commit yet"):
        await repositories.resolve(RepositorySpec(url=str(place / "bare-new")))


async def test_a_repository_that_does_not_exist_is_refused(repositories: GitRepositories, server: GitServer) -> None:
    with pytest.raises(RepositoryRefused) as refused:
        await repositories.resolve(RepositorySpec(url=server.url("absent.git")))
    assert "no such repository" in refused.value.message
    assert refused.value.next_step


async def test_a_server_that_is_away_or_busy_is_worth_another_try(
    repositories: GitRepositories, server: GitServer, source: Path, place: Path
) -> None:
    server.add("app.git", source)
    spec = RepositorySpec(url=server.url("app.git"))
    server.fail_requests = 1
    with pytest.raises(RemoteUnavailable):
        await repositories.resolve(spec)
    await repositories.resolve(spec)
    (place / "gone").mkdir()
    with git_server(place / "gone") as other:
        url = other.url("app.git")
    with pytest.raises(RemoteUnavailable):
        await repositories.resolve(RepositorySpec(url=url))


async def test_a_host_that_was_never_there_is_refused_and_not_waited_for(repositories: GitRepositories) -> None:
    with pytest.raises(RepositoryRefused, match=r"no host no-such-host\.invalid"):
        await repositories.resolve(RepositorySpec(url="https://no-such-host.invalid/app"))


async def test_a_private_repository_needs_the_token_and_never_shows_it(
    make: Make, server: GitServer, source: Path, place: Path
) -> None:
    server.add("app.git", source)
    server.token = "s3cret-token"
    spec = RepositorySpec(url=server.url("app.git"))
    host = server.origin.removeprefix("http://")
    resolved = await make(git_token=server.token, git_token_hosts=(host,)).resolve(spec)
    wanting = make("other")
    wrong = make("third", git_token="wrong-token", git_token_hosts=(host,))
    elsewhere = make("fourth", git_token=server.token, git_token_hosts=("elsewhere.example",))
    for repositories in (wanting, wrong, elsewhere):
        with pytest.raises(RepositoryRefused) as refused:
            await repositories.resolve(spec)
        said = refused.value.message + refused.value.next_step
        assert "PERDURE_GIT_TOKEN" in said
        assert "s3cret" not in said
        assert "wrong-token" not in said
    assert "s3cret" not in resolved.model_dump_json()
    kept = [path.read_bytes() for path in (place / "home").rglob("*") if path.is_file()]
    assert not any(b"s3cret" in content for content in kept)


async def test_a_token_does_not_follow_a_redirect(make: Make, server: GitServer, source: Path, place: Path) -> None:
    (place / "thief").mkdir()
    with git_server(place / "thief", token="any") as thief:
        server.redirect_to = thief.origin
        repositories = make(git_token="s3cret", git_token_hosts=(server.origin.removeprefix("http://"),))
        with pytest.raises(RepositoryRefused, match="sends us elsewhere"):
            await repositories.resolve(RepositorySpec(url=server.url("app.git")))
        assert thief.requests == []


async def test_many_who_ask_at_once_fetch_once(repositories: GitRepositories, server: GitServer, source: Path) -> None:
    server.add("app.git", source)
    spec = RepositorySpec(url=server.url("app.git"))
    answers = await asyncio.gather(*(repositories.resolve(spec) for _ in range(6)))
    assert len(set(answers)) == 1
    assert uploads(server) == 8, "six listings, and one fetch of two requests"


async def test_a_fresh_host_makes_the_mirror_from_the_blob_when_the_origin_is_gone(make: Make, source: Path) -> None:
    resolved = await make().resolve(RepositorySpec(url=str(source)))
    shutil.rmtree(source)
    other = make("other")
    mirror = await other.restore(resolved)
    assert git(mirror, "rev-list", "--objects", "--all").count("\n") >= 4
    assert await other.restore(resolved) == mirror == other.mirror(resolved)


async def test_the_empty_base_is_the_same_everywhere(repositories: GitRepositories) -> None:
    mirror = await repositories.restore(EMPTY_REPOSITORY)
    assert git(mirror, "rev-parse", f"{EMPTY_COMMIT}^{{tree}}") == EMPTY_TREE
    assert git(mirror, "fsck", "--strict") == ""
    assert EMPTY_COMMIT == "de2eadc4e74d1e6b9ff7614dfcd86398ef0a4d81"
    assert len(empty_pack()) < 400


async def test_sha256_repositories_are_resolved(repositories: GitRepositories, place: Path) -> None:
    git(place, "init", "--quiet", "--object-format=sha256", "long")
    commit = commit_files(place / "long", {"a": "b"})
    assert len(commit) == 64
    assert (await repositories.resolve(RepositorySpec(url=str(place / "long")))).commit == commit


async def test_a_fetch_that_is_cancelled_leaves_no_git_and_no_lock(
    repositories: GitRepositories, server: GitServer, source: Path
) -> None:
    server.add("app.git", source)
    spec = RepositorySpec(url=server.url("app.git"))
    for delay in (0.005, 0.02, 0.05):
        task = asyncio.create_task(repositories.resolve(spec))
        await asyncio.sleep(delay)
        task.cancel()
        await asyncio.gather(task, return_exceptions=True)
    assert (await repositories.resolve(spec)).ref == "main"
