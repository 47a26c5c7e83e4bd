import asyncio
import os
import shutil
from pathlib import Path

import pytest

from adapters.repositories import EMPTY_REPOSITORY, GitRepositories
from domain.errors import RepositoryRefused
from domain.repository import RepositorySpec
from tests.adapters.repositories.conftest import AGENT_UID, FILES, Make, Work
from tests.fixtures.git_server import GitServer, commit_files, git


def content(tree: Path) -> dict[str, str]:
    """All that must be equal on every host: files with modes and times, and git's own without index and logs."""
    found = {}
    for path in sorted(tree.rglob("*")):
        name = str(path.relative_to(tree))
        if path.is_dir() or name == ".git/index" or name.startswith(".git/logs"):
            continue
        status = path.lstat()
        time = 0 if name.startswith(".git/") else status.st_mtime_ns
        found[name] = f"{status.st_mode:o} {time} {path.read_bytes() if path.is_file() else path.readlink()}"
    return found


async def test_a_checkout_has_the_files_of_the_commit_and_belongs_to_the_agent(
    repositories: GitRepositories, source: Path
) -> None:
    (source / "bin/run").chmod(0o755)
    (source / "link").symlink_to("README.md")
    commit_files(source, {})
    tree = await repositories.checkout(await repositories.resolve(RepositorySpec(url=str(source))))
    assert {str(path.relative_to(tree)) for path in tree.rglob("*") if ".git/" not in f"{path}/"} >= set(FILES)
    assert (tree / "bin/run").stat().st_mode & 0o777 == 0o755
    assert (tree / "link").readlink() == Path("README.md")
    assert (tree / "src/sum.py").stat().st_uid == (os.geteuid() if AGENT_UID is None else AGENT_UID)


async def test_git_in_the_sandbox_finds_a_clean_branch_with_its_history(work: Work, source: Path) -> None:
    commit_files(source, {"second.txt": "two\n"}, "Second")
    await work.open(RepositorySpec(url=str(source)))
    assert await work.run("git status --porcelain --branch") == "## main...origin/main\n"
    assert (await work.run("git log --format=%s")).split() == ["Second", "First"]
    assert await work.run("git config remote.origin.url") == f"{source}\n"
    assert "1 file changed" in await work.run("echo x >>README.md && git commit --all --message mine")
    await work.run("git checkout -q -b topic HEAD~2 && test ! -e second.txt && git fsck --strict")


async def test_tags_and_commits_are_checked_out_without_a_branch(work: Work, source: Path) -> None:
    git(source, "tag", "v1")
    await work.open(RepositorySpec(url=str(source), ref="v1"))
    assert await work.run("git status --porcelain --branch") == "## HEAD (no branch)\n"


async def test_a_checkout_holds_no_token_and_no_remote_that_can_be_reached(
    make: Make, server: GitServer, source: Path, place: Path
) -> None:
    server.add("app.git", source)
    server.token = "s3cret-token"
    repositories = make(git_token=server.token, git_token_hosts=(server.origin.removeprefix("http://"),))
    tree = await repositories.checkout(await repositories.resolve(RepositorySpec(url=server.url("app.git"))))
    assert server.url("app.git") in (tree / ".git/config").read_text()
    assert not any(b"s3cret" in path.read_bytes() for path in (place / "home").rglob("*") if path.is_file())


async def test_two_hosts_make_the_same_checkout_also_without_the_origin(make: Make, source: Path, place: Path) -> None:
    first = make()
    resolved = await first.resolve(RepositorySpec(url=str(source)))
    tree = await first.checkout(resolved)
    shutil.rmtree(source)
    other = await make("other").checkout(resolved)
    assert content(tree) == content(other)
    assert len(content(tree)) > len(FILES)


async def test_many_who_ask_at_once_get_one_checkout(repositories: GitRepositories, source: Path, place: Path) -> None:
    resolved = await repositories.resolve(RepositorySpec(url=str(source)))
    trees = await asyncio.gather(*(repositories.checkout(resolved) for _ in range(5)))
    assert len(set(trees)) == 1
    assert len([path for path in (place / "home/checkouts").iterdir() if path.is_dir()]) == 1


async def test_a_checkout_that_died_half_way_is_made_again(
    repositories: GitRepositories, source: Path, place: Path
) -> None:
    resolved = await repositories.resolve(RepositorySpec(url=str(source)))
    for delay in (0.01, 0.05, 0.1):
        task = asyncio.create_task(repositories.checkout(resolved))
        await asyncio.sleep(delay)
        task.cancel()
        await asyncio.gather(task, return_exceptions=True)
    tree = await repositories.checkout(resolved)
    assert (tree / "README.md").read_text() == FILES["README.md"]
    assert [path.name for path in (place / "home/checkouts").iterdir() if path.is_dir()] == [tree.parent.name]


async def test_the_empty_base_is_a_repository_with_one_commit(work: Work) -> None:
    await work.open(None)
    assert await work.run("git status --porcelain --branch && git log --format=%H && git ls-files") == (
        f"## main\n{EMPTY_REPOSITORY.commit}\n"
    )
    assert [path.name for path in work.tree.iterdir()] == [".git"]


async def test_names_that_are_not_utf8_and_odd_line_endings_survive(work: Work, source: Path) -> None:
    odd = os.fsdecode(b"caf\xe9 \n\xff")
    commit_files(source, {odd: "odd\n", "dos.txt": "a\r\nb\r\n", "-rf": "x", ".gitattributes": "*.txt text\n"})
    await work.open(RepositorySpec(url=str(source)))
    assert (work.tree / odd).read_text() == "odd\n"
    assert (work.tree / "-rf").read_text() == "x"


async def test_a_commit_that_cannot_be_checked_out_says_why(
    repositories: GitRepositories, source: Path, make: Make
) -> None:
    resolved = await repositories.resolve(RepositorySpec(url=str(source)))
    unknown = resolved.model_copy(update={"ref": "a..b"})
    with pytest.raises(RepositoryRefused, match="could not be checked out"):
        await repositories.checkout(unknown)
