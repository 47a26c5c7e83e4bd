"""Poisoned repositories: a marker appears only if something of theirs ran on the host."""

import os
from collections.abc import Callable
from pathlib import Path

import pytest

from adapters.repositories import GitRepositories
from domain.errors import RepositoryRefused
from domain.repository import RepositorySpec
from tests.adapters.repositories.conftest import SPEC, Make, Work
from tests.fixtures.git_server import GitServer, git
from tests.fixtures.sample_library import SampleLibrary

HOOKS = ("pre-receive", "update", "post-receive", "post-update", "proc-receive", "reference-transaction", "pre-push")
PROGRAMS = """
core.fsmonitor core.sshCommand core.gitProxy core.editor core.askPass core.pager core.alternateRefsCommand
credential.helper gpg.program diff.external uploadpack.packObjectsHook remote.origin.uploadpack
remote.origin.receivepack filter.x.clean filter.x.smudge filter.x.process diff.x.command diff.x.textconv
merge.x.driver sendemail.smtpServer trailer.x.command gc.recentObjectsHook
"""


@pytest.fixture
def trap(place: Path) -> Path:
    """A program that leaves `place/marker`. Anybody may run it."""
    path = place / "trap"
    path.write_text(f"#!/bin/sh\necho ran >>{place}/marker\ncat\n")
    path.chmod(0o755)
    return path


def executable(path: Path, trap: Path) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(trap.read_text())
    path.chmod(0o755)


def hooks(source: Path, trap: Path) -> None:
    for name in HOOKS:
        executable(source / ".git/hooks" / name, trap)


def hooks_path(source: Path, trap: Path) -> None:
    for name in HOOKS:
        executable(source / "hooks" / name, trap)
    git(source, "config", "core.hooksPath", str(source / "hooks"))


def programs(source: Path, trap: Path) -> None:
    for name in PROGRAMS.split():
        git(source, "config", name, str(trap))
    (source / ".gitattributes").write_text("* filter=x diff=x merge=x\n")


def transports(source: Path, trap: Path) -> None:
    git(source, "config", f"url.ext::{trap} %S.insteadOf", str(source))
    git(source, "config", "protocol.ext.allow", "always")
    git(source, "config", "protocol.allow", "always")
    git(source, "config", "include.path", str(source / "more"))
    (source / "more").write_text(f"[core]\n\tfsmonitor = {trap}\n\tsshCommand = {trap}\n")


def promisor(source: Path, trap: Path) -> None:
    """A partial clone, whose missing objects git would fetch by a program of its choice."""
    git(source, "config", "extensions.partialClone", "origin")
    git(source, "config", "core.repositoryFormatVersion", "1")
    git(source, "config", "remote.origin.promisor", "true")
    git(source, "config", "remote.origin.url", f"ext::{trap}")
    git(source, "config", "remote.origin.uploadpack", str(trap))


def borrowed(source: Path, trap: Path) -> None:
    git(source.parent, "clone", "--quiet", "--bare", str(source), "lender.git")
    (source / ".git/objects/info/alternates").write_text(f"{source.parent}/lender.git/objects\n")
    git(source, "config", "core.alternateRefsCommand", str(trap))


POISONS = [hooks, hooks_path, programs, transports, promisor, borrowed]


@pytest.mark.parametrize("poison", POISONS)
async def test_a_poisoned_origin_runs_nothing_on_the_host(
    poison: Callable[[Path, Path], None], work: Work, source: Path, trap: Path, place: Path
) -> None:
    poison(source, trap)
    await work.open(RepositorySpec(url=str(source), ref="main"))
    await work.run("echo new >new.txt")
    done = await work.publish(SPEC)
    await work.repositories.push(work.base, done)
    assert git(source, "rev-parse", SPEC.branch) == done.commit
    assert not (place / "marker").exists()


async def test_the_trap_springs_where_git_is_used_without_care(source: Path, trap: Path, place: Path) -> None:
    git(place, "clone", "--quiet", str(source), "clone")
    hooks(source, trap)
    git(place / "clone", "push", "--quiet", "origin", "HEAD:refs/heads/topic", fails=True)
    assert (place / "marker").exists()


async def test_a_push_never_checks_anything_out(work: Work, source: Path, trap: Path, place: Path) -> None:
    """The origin stands on the very branch, not yet born, and asks to be updated by pushes, through its programs."""
    await work.open(RepositorySpec(url=str(source), ref="main"))
    await work.run("echo new >new.txt")
    done = await work.publish(SPEC)
    programs(source, trap)
    executable(source / ".git/hooks/push-to-checkout", trap)
    git(source, "config", "receive.denyCurrentBranch", "updateInstead")
    git(source, "symbolic-ref", "HEAD", f"refs/heads/{SPEC.branch}")
    with pytest.raises(RepositoryRefused, match="checked out"):
        await work.repositories.push(work.base, done)
    assert not (source / "new.txt").exists()
    assert not (place / "marker").exists()


def workspace_poisons(trap: str) -> dict[str, str]:
    config = f"git config core.fsmonitor {trap}; git config core.hooksPath /workspace/hooks"
    nested = "mkdir nested; cd nested; git init -q; git commit -q --allow-empty -m x -c user.name=a || true; touch file"
    return {
        "the agent's own configuration": config,
        "a nested repository with a monitor": f"{nested}; git config core.fsmonitor {trap}",
        "a nested repository with filters": f"{nested}; git config filter.x.clean {trap}; "
        "echo '* filter=x' >.gitattributes",
        "filters in the top repository": f"git config filter.x.clean {trap}; echo '* filter=x diff=x' >.gitattributes; "
        f"git config diff.x.textconv {trap}; git config diff.external {trap}",
        "a git file that leads to a poisoned store": "git init -q --bare store; "
        f"git -C store config core.fsmonitor {trap}; "
        "mkdir inner; echo 'gitdir: /workspace/store' >inner/.git; touch inner/file",
        "a bare repository in the tree": f"git init -q --bare bare; git -C bare config core.fsmonitor {trap}",
        "hooks": f"for hook in pre-commit post-index-change post-commit; do printf '#!{trap}' >.git/hooks/$hook; "
        "chmod +x .git/hooks/$hook; done",
    }


@pytest.mark.parametrize("name", workspace_poisons(""))
async def test_a_poisoned_workspace_runs_nothing_on_the_host(
    name: str, work: Work, source: Path, trap: Path, place: Path
) -> None:
    await work.open(RepositorySpec(url=str(source)))
    await work.run("mkdir -p .git/hooks; echo work >work.txt; " + workspace_poisons(str(trap))[name])
    done = await work.publish(SPEC)
    await work.repositories.push(work.base, done)
    assert git(source, "show", f"{SPEC.branch}:work.txt") == "work"
    assert not (place / "marker").exists()


async def test_a_hostile_commit_in_the_origin_is_not_even_fetched(
    make: Make, server: GitServer, source: Path, place: Path
) -> None:
    one = git(source, "hash-object", "-w", "--stdin", stdin=b"[core]\n\tfsmonitor = touch /marker\n")
    inner = git(source, "mktree", stdin=f"100644 blob {one}\tconfig\n".encode())
    tree = git(
        source,
        "hash-object",
        "-t",
        "tree",
        "-w",
        "--literally",
        "--stdin",
        stdin=b"40000 .git\0" + bytes.fromhex(inner),
    )
    commit = git(source, "commit-tree", tree, "-m", "evil")
    git(source, "update-ref", "refs/heads/evil", commit)
    server.add("app.git", source)
    for url in (str(source), server.url("app.git")):
        with pytest.raises(RepositoryRefused, match="checks refuse"):
            await make().resolve(RepositorySpec(url=url, ref="evil"))


async def test_old_flaws_of_well_known_repositories_do_not_stop_them(
    repositories: GitRepositories, source: Path
) -> None:
    tree = git(source, "rev-parse", "HEAD^{tree}")
    text = f"tree {tree}\nauthor Ada <ada@example.com> 1 +051800\ncommitter Ada <ada@example.com> 1 +0000\n\nold\n"
    commit = git(source, "hash-object", "-t", "commit", "-w", "--literally", "--stdin", stdin=text.encode())
    git(source, "update-ref", "refs/heads/main", commit)
    resolved = await repositories.resolve(RepositorySpec(url=str(source)))
    assert (await repositories.checkout(resolved) / "README.md").is_file()


async def test_private_code_can_be_entered_by_the_agents_user_only(
    repositories: GitRepositories, source: Path, place: Path
) -> None:
    await repositories.checkout(await repositories.resolve(RepositorySpec(url=str(source))))
    for name in ("mirrors", "checkouts", "intake"):
        assert (place / "home" / name).stat().st_mode & 0o007 == 0


async def test_root_reads_a_repository_of_somebody_else(repositories: GitRepositories, source: Path) -> None:
    other = os.geteuid() or 12345
    for path in [source, *_below(source)]:
        os.lchown(path, other, other)
    head = git(source, "rev-parse", "HEAD")
    assert (await repositories.resolve(RepositorySpec(url=str(source)))).commit == head


def _below(path: Path) -> list[Path]:
    return list(path.rglob("*"))


async def test_a_real_library_is_mended_and_its_branch_is_pushed(
    work: Work, server: GitServer, sample_library: SampleLibrary
) -> None:
    bare = server.add("parse.git", sample_library.path)
    await work.open(RepositorySpec(url=server.url("parse.git")))
    test = f"cat >{sample_library.test_file} <<'END'\n{sample_library.test}END\n"
    export = f"export {' '.join(f'{name}={value!r}' for name, value in work.sandbox.environment.items())}\n"
    verify = export + sample_library.verify
    await work.run(f"{test}{verify}", exit_code=1)
    await work.run(f"{export}python - <<'END'\n{_edit(sample_library)}END\n")
    assert "passed" in await work.run(verify)
    done = await work.publish(SPEC)
    await work.repositories.push(work.base, done)
    changed = git(bare, "diff", "--name-only", "main", SPEC.branch).split()
    assert changed == [sample_library.file, sample_library.test_file]
    assert (done.files, done.removed) == (2, 1)


def _edit(library: SampleLibrary) -> str:
    return (
        f"from pathlib import Path\nfile, old, new = Path({library.file!r}), {library.broken!r}, {library.mended!r}\n"
        "text = file.read_text()\nassert text.count(old) == 1\nfile.write_text(text.replace(old, new))\n"
    )
