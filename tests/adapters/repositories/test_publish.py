import os
import shutil
from pathlib import Path

import pytest

from adapters.blobs import ObjectBlobs
from domain.errors import RemoteUnavailable, RepositoryRefused, WorkRefused
from domain.repository import PublishedWork, RepositorySpec
from tests.adapters.repositories.conftest import SPEC, Make, Work
from tests.fixtures.git_server import GitServer, commit_files, git

MEND = "sed -i 's/a - b/a + b/' src/sum.py; echo new >new.txt"


def everything(path: Path) -> list[Path]:
    return [path, *path.rglob("*")]


@pytest.fixture
async def mended(work: Work, server: GitServer, source: Path) -> PublishedWork:
    """Work on a repository that the server holds, taken in and not pushed."""
    server.add("app.git", source)
    await work.open(RepositorySpec(url=server.url("app.git")))
    await work.run(MEND)
    return await work.publish(SPEC)


async def test_work_is_taken_in_with_its_size_and_diff(mended: PublishedWork, work: Work, blobs: ObjectBlobs) -> None:
    assert (mended.base, mended.branch) == (work.base.commit, SPEC.branch)
    assert (mended.files, mended.added, mended.removed) == (2, 2, 1)
    diff = (await blobs.get(mended.diff)).decode()
    assert "-    return a - b\n+    return a + b\n" in diff
    assert "+++ b/new.txt" in diff
    assert (await blobs.get(mended.pack)).startswith(b"PACK")


async def test_taking_in_again_answers_the_same(mended: PublishedWork, work: Work) -> None:
    assert await work.publish(SPEC) == mended


async def test_the_mirror_gains_nothing_by_taking_in(mended: PublishedWork, work: Work) -> None:
    mirror = work.repositories.mirror(work.base)
    assert git(mirror, "cat-file", "-t", mended.commit, fails=True) == ""
    assert not list((work.place / "home/intake").iterdir())


async def test_a_pushed_branch_stands_at_the_origin_with_exactly_the_work(
    mended: PublishedWork, work: Work, server: GitServer
) -> None:
    assert await work.repositories.remote_commit(work.base, SPEC.branch) is None
    await work.repositories.push(work.base, mended)
    assert await work.repositories.remote_commit(work.base, SPEC.branch) == mended.commit
    bare = server.root / "app.git"
    assert git(bare, "rev-parse", f"{SPEC.branch}~1", "main").split() == [mended.base, mended.base]
    assert git(bare, "show", f"{SPEC.branch}:src/sum.py").endswith("a + b")
    assert git(bare, "fsck", "--strict") == ""


async def test_pushing_twice_is_pushing_once(mended: PublishedWork, work: Work, server: GitServer) -> None:
    await work.repositories.push(work.base, mended)
    await work.repositories.push(work.base, mended)
    assert server.pushes == 1


async def test_a_push_whose_answer_was_lost_is_found_by_the_probe_and_not_repeated(
    mended: PublishedWork, work: Work, server: GitServer
) -> None:
    server.drop_push_answers = 1
    with pytest.raises(RemoteUnavailable):
        await work.repositories.push(work.base, mended)
    assert await work.repositories.remote_commit(work.base, SPEC.branch) == mended.commit
    await work.repositories.push(work.base, mended)
    assert server.pushes == 1


async def test_a_branch_that_is_somebody_elses_stays_as_it_is(
    mended: PublishedWork, work: Work, server: GitServer
) -> None:
    bare = server.root / "app.git"
    git(bare, "update-ref", f"refs/heads/{SPEC.branch}", mended.base)
    with pytest.raises(RepositoryRefused, match="already") as refused:
        await work.repositories.push(work.base, mended)
    assert refused.value.next_step
    assert git(bare, "rev-parse", SPEC.branch) == mended.base
    assert server.pushes == 0


async def test_a_branch_that_blocks_ours_is_refused_with_the_servers_reason(
    mended: PublishedWork, work: Work, server: GitServer
) -> None:
    git(server.root / "app.git", "update-ref", f"refs/heads/{SPEC.branch}/below", mended.base)
    with pytest.raises(RepositoryRefused, match="declined"):
        await work.repositories.push(work.base, mended)


async def test_another_host_pushes_from_the_blobs_alone(
    mended: PublishedWork, work: Work, make: Make, server: GitServer, place: Path
) -> None:
    shutil.rmtree(place / "home")
    work.pack.unlink()
    await make("other").push(work.base, mended)
    assert git(server.root / "app.git", "rev-parse", SPEC.branch) == mended.commit


async def test_a_server_that_wants_a_login_for_a_push_is_told_apart(
    mended: PublishedWork, work: Work, server: GitServer
) -> None:
    server.token = "s3cret"
    with pytest.raises(RepositoryRefused) as refused:
        await work.repositories.push(work.base, mended)
    assert "PERDURE_GIT_TOKEN" in refused.value.next_step


async def test_a_push_with_the_token_needs_no_more(
    mended: PublishedWork, work: Work, server: GitServer, make: Make
) -> None:
    server.token = "s3cret"
    await make(git_token="s3cret", git_token_hosts=("127.0.0.1",)).push(work.base, mended)
    assert server.pushes == 1


async def test_a_busy_server_is_worth_another_try(mended: PublishedWork, work: Work, server: GitServer) -> None:
    server.fail_requests = 1
    with pytest.raises(RemoteUnavailable):
        await work.repositories.push(work.base, mended)
    await work.repositories.push(work.base, mended)
    assert server.pushes == 1


async def test_large_work_is_pushed(work: Work, server: GitServer, source: Path) -> None:
    server.add("app.git", source)
    await work.open(RepositorySpec(url=server.url("app.git")))
    await work.run("head -c 3000000 /dev/urandom >large.bin")
    await work.repositories.push(work.base, await work.publish(SPEC))
    assert git(server.root / "app.git", "cat-file", "-s", f"{SPEC.branch}:large.bin") == "3000000"


async def test_a_local_repository_gets_the_branch_beside_its_work_tree(work: Work, source: Path) -> None:
    await work.open(RepositorySpec(url=str(source)))
    await work.run(MEND)
    (source / "uncommitted").write_text("mine\n")
    done = await work.publish(SPEC)
    await work.repositories.push(work.base, done)
    await work.repositories.push(work.base, done)
    assert git(source, "rev-parse", SPEC.branch) == done.commit
    assert git(source, "status", "--porcelain", "--branch") == "## main\n?? uncommitted"
    assert git(source, "fsck", "--strict") == ""


async def test_what_is_pushed_belongs_to_the_repositorys_owner_also_where_root_pushes(work: Work, source: Path) -> None:
    other = os.geteuid() or 12345
    for path in everything(source):
        os.lchown(path, other, other)
    await work.open(RepositorySpec(url=str(source)))
    await work.run(MEND)
    done = await work.publish(SPEC)
    await work.repositories.push(work.base, done)
    assert git(source, "rev-parse", SPEC.branch) == done.commit
    assert {path.lstat().st_uid for path in everything(source)} == {other}


async def test_a_diff_of_binary_and_odd_files_is_text(work: Work, source: Path, blobs: ObjectBlobs) -> None:
    commit_files(source, {"blob": b"\0\1\2", "latin": b"caf\xe9\n"})
    await work.open(RepositorySpec(url=str(source)))
    await work.run("printf '\\0\\3' >blob; printf 'th\\351\\n' >latin; printf x >\"$(printf 'n\\303\\251w')\"")
    done = await work.publish(SPEC)
    diff = (await blobs.get(done.diff)).decode()
    assert "Binary files a/blob and b/blob differ" in diff
    assert "+th\ufffd" in diff
    assert "b/n\u00e9w" in diff
    assert (done.files, done.added, done.removed) == (3, 2, 1)


async def test_work_on_the_empty_base_is_taken_in(work: Work) -> None:
    await work.open(None)
    await work.run("echo hi >hello.txt")
    done = await work.publish(SPEC)
    assert (done.base, done.files) == (work.base.commit, 1)


async def test_a_pack_that_is_no_plain_file_is_refused(work: Work, source: Path, place: Path) -> None:
    await work.open(RepositorySpec(url=str(source)))
    await work.run(MEND)
    commit = (await work.commit(SPEC)).report.decode().split()[0]
    (place / "link").symlink_to(work.pack)
    os.mkfifo(place / "pipe")
    (place / "sparse").touch()
    os.truncate(place / "sparse", 1024**3)
    for name in ("link", "pipe", "sparse", "absent", "source"):
        with pytest.raises(WorkRefused):
            await work.repositories.take_in(work.base, place / name, commit, SPEC)


async def test_a_commit_other_than_the_one_asked_for_is_refused(work: Work, source: Path) -> None:
    await work.open(RepositorySpec(url=str(source)))
    await work.run(MEND)
    commit = (await work.commit(SPEC)).report.decode().split()[0]
    take_in = work.repositories.take_in
    for reported in ("", "HEAD", "-x", commit[:-1], work.base.commit, "f" * 40, f"{commit}\n", f"{commit}^{{}}"):
        with pytest.raises(WorkRefused):
            await take_in(work.base, work.pack, reported, SPEC)
    for changed in ({"message": "Another"}, {"unix_time": 1}, {"author_name": "Eve"}, {"author_email": "eve@x"}):
        with pytest.raises(WorkRefused, match="not the one"):
            await take_in(work.base, work.pack, commit, SPEC.model_copy(update=changed))
