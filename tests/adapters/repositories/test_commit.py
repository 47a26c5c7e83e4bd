from pathlib import Path

from adapters.repositories.commit import commit_body, expected_commit
from adapters.repositories.empty import EMPTY_COMMIT
from domain.repository import CommitSpec, RepositorySpec
from tests.adapters.repositories.conftest import SPEC, Work
from tests.fixtures.git_server import commit_files, git

NOTHING = 9
REFUSED = 10


async def opened(work: Work, source: Path) -> Work:
    return await work.open(RepositorySpec(url=str(source)))


def listed(work: Work, tree: str, pack: Path) -> list[str]:
    """The names in a commit's tree, read from its pack in a repository of the test's own."""
    bare = work.place / "reader"
    bare.mkdir(exist_ok=True)
    git(bare, "init", "--quiet", "--bare", f"--object-format={'sha256' if len(tree) > 40 else 'sha1'}")
    (bare / "objects/info/alternates").write_text(f"{work.repositories.mirror(work.base)}/objects\n")
    git(bare, "index-pack", "--stdin", "--fix-thin", "--strict", stdin=pack.read_bytes())
    return git(bare, "-c", "core.quotePath=false", "ls-tree", "-r", "--name-only", tree).splitlines()


async def names(work: Work) -> list[str]:
    result = await work.commit(SPEC)
    assert result.exit_code == 0, result.head.decode()
    return listed(work, result.report.decode().split()[1], work.pack)


async def test_the_commit_is_exactly_what_the_spec_says(work: Work, source: Path) -> None:
    await opened(work, source)
    await work.run("sed -i 's/a - b/a + b/' src/sum.py; touch new; mkdir build; touch build/x y.log")
    result = await work.commit(SPEC)
    commit, tree = result.report.decode().split()
    assert expected_commit(tree, work.base.commit, SPEC) == commit
    assert listed(work, tree, work.pack) == [".gitignore", "README.md", "bin/run", "new", "src/sum.py"]
    shown = git(work.place / "reader", "cat-file", "commit", commit)
    assert shown == (
        f"tree {tree}\nparent {work.base.commit}\nauthor Perdure <perdure@localhost> 1700000000 +0000\n"
        "committer Perdure <perdure@localhost> 1700000000 +0000\n\nAdd, do not subtract"
    )


async def test_caches_stay_out_also_where_nothing_ignores_them_but_tracked_ones_do_not(
    work: Work, source: Path
) -> None:
    commit_files(source, {"kept/__pycache__/tracked.pyc": b"1"})
    await opened(work, source)
    await work.run(
        "mkdir __pycache__ .pytest_cache; touch __pycache__/x .pytest_cache/x src/y.pyc\n"
        "echo 2 >kept/__pycache__/tracked.pyc"
    )
    result = await work.commit(SPEC)
    commit = result.report.decode().split()[0]
    listed(work, commit, work.pack)
    assert (
        git(work.place / "reader", "diff-tree", "-r", "--name-only", work.base.commit, commit)
        == "kept/__pycache__/tracked.pyc"
    )


async def test_the_same_work_makes_the_same_commit_each_time(work: Work, source: Path) -> None:
    await opened(work, source)
    await work.run("echo more >>README.md")
    first, second = await work.commit(SPEC), await work.commit(SPEC)
    assert first.report == second.report
    assert first.exit_code == 0


async def test_an_unchanged_workspace_is_told_apart_from_a_failure(work: Work, source: Path) -> None:
    await opened(work, source)
    assert (await work.commit(SPEC)).exit_code == NOTHING
    await work.run("touch README.md other.log; echo x >README.md; git checkout README.md")
    assert (await work.commit(SPEC)).exit_code == NOTHING


async def test_commits_and_branches_of_the_agent_are_squashed(work: Work, source: Path) -> None:
    await opened(work, source)
    await work.run(
        "git checkout -q -b mine; echo 1 >one; git add .; git commit -qm one; echo 2 >two; git rm -q README.md"
    )
    assert await names(work) == [".gitignore", "bin/run", "one", "src/sum.py", "two"]


async def test_the_agents_own_git_directory_may_be_wrecked_or_gone(work: Work, source: Path) -> None:
    await opened(work, source)
    await work.run("echo x >new; rm -rf .git/objects .git/HEAD; echo garbage >.git/config; echo junk >.git/index")
    assert "new" in await names(work)
    await work.run("rm -rf .git; echo 'gitdir: /nowhere' >.git")
    assert "new" in await names(work)


async def test_nested_repositories_lose_no_file(work: Work, source: Path) -> None:
    await opened(work, source)
    await work.run(
        'for name in empty \'two words/deep\' vendored; do mkdir -p "$name"; git init -q "$name"; done\n'
        "echo 1 >'two words/deep/file'; echo 2 >vendored/lib.py; mkdir vendored/sub; echo 3 >vendored/sub/x.log\n"
        "cd vendored; git add .; git -c user.name=a -c user.email=b commit -qm inner; echo 4 >untracked"
    )
    found = await names(work)
    assert [name for name in found if "/" in name and not name.startswith(("bin", "src"))] == [
        "two words/deep/file",
        "vendored/lib.py",
        "vendored/untracked",
    ]
    assert not any(".perdure" in name for name in found)


async def test_ignored_nested_repositories_stay_out(work: Work, source: Path) -> None:
    await opened(work, source)
    await work.run("mkdir -p build/dep; git init -q build/dep; echo x >build/dep/file; echo y >kept")
    assert await names(work) == [".gitignore", "README.md", "bin/run", "kept", "src/sum.py"]


async def test_files_in_a_submodule_are_refused_and_an_untouched_one_stays(work: Work, source: Path) -> None:
    git(source, "update-index", "--add", "--cacheinfo", f"160000,{'1' * 40},module")
    git(source, "commit", "--quiet", "--message", "with a submodule")
    await opened(work, source)
    await work.run("echo x >new")
    assert "module" in await names(work)
    await work.run("echo lost >module/file")
    result = await work.commit(SPEC)
    assert (result.exit_code, b"submodule module" in result.head) == (REFUSED, True)


async def test_modes_links_and_odd_names_are_kept(work: Work, source: Path) -> None:
    await opened(work, source)
    await work.run("chmod +x src/sum.py; ln -s README.md link; printf x >\"$(printf 'a\\nb')\"; printf y >'-rf'")
    result = await work.commit(SPEC)
    tree = result.report.decode().split()[1]
    listed(work, tree, work.pack)
    raw = git(work.place / "reader", "ls-tree", "-r", "-z", tree).split("\0")
    modes = {line.split("\t", 1)[1]: line[:6] for line in raw if line}
    assert (modes["src/sum.py"], modes["link"], modes["a\nb"], modes["-rf"]) == ("100755", "120000", "100644", "100644")


async def test_line_endings_that_nobody_touched_stay_as_they_were(work: Work, source: Path) -> None:
    commit_files(source, {"dos.txt": "a\r\nb\r\n", "other.txt": "c\r\n"})
    (source / ".gitattributes").write_text("*.txt text\n")
    git(source, "add", ".gitattributes")
    git(source, "commit", "--quiet", "--message", "attributes alone")
    await opened(work, source)
    await work.run("printf 'changed\\r\\n' >other.txt")
    result = await work.commit(SPEC)
    commit = result.report.decode().split()[0]
    listed(work, commit, work.pack)
    assert git(work.place / "reader", "diff-tree", "-r", "--name-only", work.base.commit, commit) == "other.txt"


async def test_a_name_that_git_cannot_hold_is_refused_by_name(work: Work, source: Path) -> None:
    await opened(work, source)
    await work.run("mkdir .GIT; echo x >.GIT/config")
    result = await work.commit(SPEC)
    assert result.exit_code not in (0, NOTHING)
    assert b".GIT" in result.head


async def test_a_directory_that_cannot_be_read_is_refused(work: Work, source: Path) -> None:
    await opened(work, source)
    await work.run("chmod 000 src")
    result = await work.commit(SPEC)
    assert (result.exit_code, b"cannot be read" in result.head) == (REFUSED, True)
    await work.run("chmod 755 src")


async def test_work_larger_than_shared_memory_is_committed_where_there_is_room(work: Work, source: Path) -> None:
    await opened(work, source)
    await work.run("head -c 30000000 /dev/urandom >large.bin")
    assert "large.bin" in await names(work)


async def test_work_on_the_empty_base_is_committed(work: Work) -> None:
    await work.open(None)
    assert (await work.commit(SPEC)).exit_code == NOTHING
    await work.run("echo hi >hello.txt")
    assert work.base.commit == EMPTY_COMMIT
    assert await names(work) == ["hello.txt"]


async def test_sha256_repositories_are_committed_to(work: Work, place: Path) -> None:
    git(place, "init", "--quiet", "--object-format=sha256", "long")
    commit_files(place / "long", {"a": "b"})
    await opened(work, place / "long")
    await work.run("git status --porcelain; echo c >c")
    assert await names(work) == ["a", "c"]


async def test_a_poisoned_repository_in_the_workspace_changes_nothing(work: Work, source: Path) -> None:
    """Inside the sandbox it is the agent against itself: it may fail, but not publish what was not asked."""
    await opened(work, source)
    await work.run(
        "git config core.hooksPath /workspace/hooks; mkdir hooks; printf '#!/bin/sh\\ntouch ran\\n' >hooks/pre-commit\n"
        "chmod +x hooks/pre-commit; git config commit.gpgSign true; git config user.name Evil"
    )
    result = await work.commit(SPEC)
    commit, tree = result.report.decode().split()
    assert expected_commit(tree, work.base.commit, SPEC) == commit
    assert "ran" not in listed(work, tree, work.pack)


def test_names_and_messages_cannot_add_lines_to_the_commit() -> None:
    spec = CommitSpec(
        message="\0Title\r\n\r\nBody\n\n",
        author_name="Eve <x>\nparent 1",
        author_email="e v\ne@x>",
        unix_time=-5,
        branch="b",
    )
    who = "Eve x parent 1 <eve@x> 0 +0000"
    assert commit_body("1" * 40, spec) == (f"parent {'1' * 40}\nauthor {who}\ncommitter {who}\n\nTitle\n\nBody\n")
