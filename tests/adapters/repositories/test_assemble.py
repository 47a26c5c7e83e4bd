"""The same commit twice: by git in the sandbox, and from the snapshot alone."""

from pathlib import Path

import pytest

from activities.repository import NOTHING_TO_COMMIT, is_broken
from adapters.blobs import ObjectBlobs
from adapters.repositories import GitRepositories
from adapters.repositories.assemble import published_part
from adapters.sandboxes.bubblewrap import BubblewrapSandbox
from domain.errors import WorkRefused
from domain.snapshot import LinkEntry
from tests.adapters.repositories.snapped import Snapped
from tests.fixtures.git_server import commit_files, git

BASE: dict[str, str | bytes] = {
    ".gitattributes": "*.txt text\n*.crlf eol=crlf\n*.id ident\n*.lfs filter=lfs\n",
    "dos.txt": "a\r\nb\r\n",
    "other.txt": "c\r\n",
    "x.id": "$Id$\n",
    "lib/.gitignore": "*.tmp\n!keep.tmp\nout\n",
    "lib/a.py": "a = 1\n",
    "lib/tracked.tmp": "1\n",
    "deep/er/file": "1\n",
    "deep/er/other": "2\n",
    "becomes-dir": "x\n",
    "becomes-file/x": "x\n",
    "becomes-link/x": "x\n",
    "kept/__pycache__/t.pyc": "1\n",
}
WRECKED = "rm -rf .git; echo 'gitdir: /nowhere' >.git"


@pytest.fixture
def snapped(repositories: GitRepositories, sandbox: BubblewrapSandbox, blobs: ObjectBlobs, place: Path) -> Snapped:
    return Snapped(repositories, sandbox, blobs, place)


async def both(snapped: Snapped) -> str | None:
    """The commit that both ways make; None where both find nothing."""
    result = await snapped.commit()
    assembled = await snapped.assemble()
    if assembled is None:
        assert result.exit_code == NOTHING_TO_COMMIT, result.head.decode()
        return None
    assert result.exit_code == 0, result.head.decode()
    assert assembled == result.report.decode().split()[0]
    return assembled


SCRIPTS = {
    "edits": "echo 'a = 2' >lib/a.py; echo new >new; rm deep/er/file; chmod +x lib/a.py; echo 2 >lib/tracked.tmp",
    "one deletion": "rm lib/a.py",
    "a directory less": "rm -r deep",
    "made anew": "rm -r deep; mkdir -p deep/er; echo 1 >deep/er/file; echo 3 >deep/third",
    "kinds": "rm becomes-dir; mkdir becomes-dir; echo y >becomes-dir/y; rm -r becomes-file; echo y >becomes-file; "
    "rm -r becomes-link; ln -s lib becomes-link; ln -s becomes-dir/y link; ln -s nowhere dangling",
    "ignored": "mkdir -p build out lib/out lib/sub; touch build/x y.log lib/z.tmp lib/keep.tmp lib/out/k lib/sub/q.tmp "
    "lib/sub/keep.tmp out/seen; mkdir __pycache__ .pytest_cache; touch __pycache__/x .pytest_cache/x lib/y.pyc; "
    "echo 2 >kept/__pycache__/t.pyc; touch kept/__pycache__/u.pyc",
    "own rules": "printf '*\\n!.gitignore\\n' >deep/.gitignore; touch deep/hidden; mkdir new; "
    "printf '.gitignore\\nq\\n' >new/.gitignore; touch new/q new/r; echo '!y.log' >>.gitignore; touch y.log z.log; "
    "rm lib/.gitignore; touch lib/t.tmp",
    "attributes": "printf 'changed\\r\\n' >other.txt; printf 'x\\r\\ny\\n' >new.txt; printf 'a\\r\\n' >n.crlf; "
    "printf '$Id: 1 $\\n' >x.id; printf '\\0\\r\\n' >bin.txt; echo l >a.lfs; echo touched >lib/b; "
    "printf 'a\\r\\nb\\r\\n' >dos.txt",
    "new attributes": "echo '* text=auto' >deep/.gitattributes; printf 'q\\r\\n' >deep/er/file; "
    "printf 'q\\r\\n' >deep/n; rm .gitattributes; printf 'c\\r\\nd\\r\\n' >other.txt",
    "odd names": "touch \"$(printf 'a\\nb')\" -- -rf 'two words' \"$(printf '\\377x')\" '\"quoted\"' "
    "':(top)x' '*' '[a]'; mkdir '*d'; touch '*d/x'",
    "modes": "chmod 4755 lib/a.py; chmod 600 deep/er/file; chmod 444 dos.txt; mkdir empty; touch n; chmod 555 n",
    "nested": "git init -q nested; echo 1 >nested/lib.py; mkdir nested/sub; git init -q nested/sub/deep; echo 2 "
    ">nested/sub/deep/f; echo '*.o' >nested/.gitignore; touch nested/x.o; git init -q build/dep; touch build/dep/f",
    "committed": "git checkout -q -b mine; echo 1 >one; git add .; git commit -qm one; echo 2 >two; git rm -q dos.txt",
    "pipes": "mkfifo pipe; echo x >real",
    "nothing": "touch lib/a.py other.log; echo x >lib/a.py; git checkout -q lib/a.py; mkdir d",
}


@pytest.mark.parametrize("name", SCRIPTS)
async def test_both_ways_make_the_same_commit(snapped: Snapped, source: Path, name: str) -> None:
    commit_files(source, BASE)
    (source / ".gitattributes").write_text(str(BASE[".gitattributes"]))
    await snapped.open(source)
    await snapped.run(SCRIPTS[name])
    commit = await both(snapped)
    assert (commit is None) == (name == "nothing")
    if commit:
        work = await snapped.take_in(commit)
        assert work.commit == commit


async def test_many_calls_add_up(snapped: Snapped, source: Path) -> None:
    commit_files(source, BASE)
    await snapped.open(source)
    for script in (
        "rm -r deep; echo 1 >new",
        "mkdir -p deep/er; echo 1 >deep/er/file; rm new",
        "mv lib lab; git add .",
    ):
        await snapped.run(script)
    assert await both(snapped)


async def test_both_ways_agree_on_the_empty_base(snapped: Snapped) -> None:
    await snapped.open(None)
    assert await both(snapped) is None
    await snapped.run("echo hi >hello.txt; echo '*.o' >.gitignore; touch x.o")
    assert await both(snapped)


async def test_both_ways_agree_in_sha256(snapped: Snapped, place: Path) -> None:
    git(place, "init", "--quiet", "--object-format=sha256", "long")
    commit_files(place / "long", {"a": "b"})
    await snapped.open(place / "long")
    await snapped.run("echo c >c")
    assert await both(snapped)


WRECKS = {
    "a pointer to nowhere": WRECKED,
    "a pipe": "rm -rf .git; mkfifo .git",
    "a file of junk": "rm -rf .git; head -c 100000 /dev/urandom >.git",
    "a link to itself": "rm -rf .git; ln -s .git .git",
    "a very deep directory": 'rm -rf .git; mkdir .git; cd .git; python3 -c "import os\nfor _ in range(1500):\n'
    " os.mkdir('dir'); os.chdir('dir')\"",
    "junk in the index": "head -c 100000 /dev/urandom >.git/index; echo junk >.git/HEAD; echo '[core' >.git/config",
    "huge refs": "yes 1111111111111111111111111111111111111111 refs/x | head -c 5000000 >.git/packed-refs; "
    "head -c 5000000 /dev/zero >.git/refs/heads/main",
    "no directory may be entered": "chmod 000 .git",
    "locks": "touch .git/index.lock .git/HEAD.lock .git/config.lock",
    "nested wrecks": "mkdir -p a b c/d; echo 'gitdir: /nowhere' >a/.git; mkfifo b/.git; mkdir c/d/.git; "
    "echo x >c/d/.git/HEAD; touch a/f b/f c/d/f",
    "nested with junk in it": "git init -q n; head -c 9999 /dev/urandom >n/.git/index; echo '[bad' >n/.git/config; "
    "touch n/f",
}


@pytest.mark.parametrize("name", WRECKS)
async def test_work_is_published_however_the_agents_git_is_wrecked(snapped: Snapped, source: Path, name: str) -> None:
    await snapped.open(source)
    await snapped.run(f"echo x >new; echo y >y.log; rm README.md; {WRECKS[name]}")
    result, assembled = await snapped.commit(), await snapped.assemble()
    assert assembled
    if not is_broken(result):
        assert result.report.decode().split()[:1] == [assembled], result.head.decode()
    work = await snapped.take_in(assembled)
    await snapped.repositories.push(snapped.base, work)
    listed = git(source, "ls-tree", "-r", "--name-only", work.commit).splitlines()
    more = {"nested wrecks": ["a/f", "b/f", "c/d/f"], "nested with junk in it": ["n/f"]}.get(name, [])
    assert listed == sorted([".gitignore", "bin/run", "new", "src/sum.py", *more])


async def test_a_file_that_git_may_not_read_in_the_sandbox_is_taken_from_the_snapshot(
    snapped: Snapped, source: Path
) -> None:
    await snapped.open(source)
    await snapped.run("echo secretive >closed; chmod 000 closed")
    assert is_broken(await snapped.commit())
    assembled = await snapped.assemble()
    assert assembled
    assert (await snapped.take_in(assembled)).files == 1


async def test_what_is_refused_in_the_sandbox_is_refused_here(snapped: Snapped, source: Path) -> None:
    git(source, "update-index", "--add", "--cacheinfo", f"160000,{'1' * 40},module")
    git(source, "commit", "--quiet", "--message", "with a submodule")
    await snapped.open(source)
    await snapped.run("echo x >new")
    assert await both(snapped)
    await snapped.run("echo lost >module/file")
    with pytest.raises(WorkRefused, match="submodule module"):
        await snapped.assemble()


@pytest.mark.parametrize("script", ["mkdir .GIT; echo x >.GIT/config", "mkdir 'git~1'; echo x >'git~1/config'"])
async def test_names_that_git_itself_uses_are_refused_both_ways(snapped: Snapped, source: Path, script: str) -> None:
    await snapped.open(source)
    await snapped.run(script)
    assert is_broken(await snapped.commit())
    with pytest.raises(WorkRefused, match=r"(?i)git"):
        await snapped.assemble()


async def test_sizes_are_refused_before_they_are_fetched_and_ignored_files_do_not_count(
    snapped: Snapped, source: Path
) -> None:
    await snapped.open(source)
    await snapped.run("mkdir build; head -c 60000000 /dev/zero >build/large; echo x >small")
    assert await snapped.assemble()
    await snapped.run("mv build/large .")
    with pytest.raises(WorkRefused, match="large has more than 50 MiB"):
        await snapped.assemble()


async def test_ignore_rules_too_large_for_memory_are_refused_before_they_are_fetched(
    snapped: Snapped, source: Path
) -> None:
    await snapped.open(source)
    await snapped.run("mkdir a; head -c 60000000 /dev/zero >a/.gitignore; chmod 000 a/.gitignore")
    with pytest.raises(WorkRefused, match=r"a/.gitignore has more than 50 MiB"):
        await snapped.assemble()


def test_paths_that_no_scan_makes_are_refused() -> None:
    for name in ("../x", "a/../../x", "a//x", "./x", "/x", "a\0"):
        with pytest.raises(WorkRefused):
            published_part({f"workspace/{name}": LinkEntry(target="x")})
    kept = published_part(
        {name: LinkEntry(target="x") for name in ("workspace/a", "workspace/.git/a", "home/a", "workspace/b/.git")}
    )
    assert list(kept) == ["a"]
