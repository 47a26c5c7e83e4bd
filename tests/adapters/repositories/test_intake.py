"""Packs that no honest git would send, made by hand."""

import hashlib
import struct
import zlib
from collections.abc import Sequence
from pathlib import Path

import pytest

from adapters.repositories import GitRepositories
from adapters.repositories.commit import commit_body, expected_commit
from adapters.repositories.empty import commit_bytes, object_id
from domain.errors import WorkRefused
from domain.repository import CommitSpec, PublishedWork, RepositorySpec, ResolvedRepository
from tests.adapters.repositories.conftest import SPEC
from tests.fixtures.git_server import commit_files, git

KINDS = {"commit": 1, "tree": 2, "blob": 3}
Entry = tuple[str, str, str]
"""Mode, name, object id."""


class Forge:
    """Makes objects and packs without git, which would refuse to."""

    def __init__(self, base: str) -> None:
        self.base = base
        self.objects: list[tuple[str, bytes]] = []

    def add(self, kind: str, content: bytes) -> str:
        self.objects.append((kind, content))
        return object_id(kind, content)

    def tree(self, entries: Sequence[Entry]) -> str:
        content = b"".join(f"{mode} {name}".encode() + b"\0" + bytes.fromhex(one) for mode, name, one in entries)
        return self.add("tree", content)

    def file(self, mode: str, path: str, content: bytes) -> str:
        """A commit with one file at `path`."""
        one = self.add("blob", content)
        for part in reversed(path.split("/")):
            one = self.tree([(mode, part, one)])
            mode = "40000"
        return self.commit(one)

    def commit(self, tree: str) -> str:
        return self.add("commit", commit_bytes(tree, commit_body(self.base, SPEC)))

    def pack(self) -> bytes:
        content = b"PACK" + struct.pack(">II", 2, len(self.objects))
        for kind, body in self.objects:
            size = len(body)
            first, size = (KINDS[kind] << 4) | (size & 15), size >> 4
            while size:
                content += bytes([first | 128])
                first, size = size & 127, size >> 7
            content += bytes([first]) + zlib.compress(body)
        return content + hashlib.sha1(content).digest()


@pytest.fixture
async def base(repositories: GitRepositories, source: Path) -> ResolvedRepository:
    return await repositories.resolve(RepositorySpec(url=str(source)))


@pytest.fixture
def forge(base: ResolvedRepository) -> Forge:
    return Forge(base.commit)


@pytest.fixture
def take(repositories: GitRepositories, base: ResolvedRepository, place: Path) -> "Take":
    return Take(repositories, base, place / "forged.pack")


class Take:
    def __init__(self, repositories: GitRepositories, base: ResolvedRepository, path: Path) -> None:
        self._repositories, self._base, self._path = repositories, base, path

    async def __call__(self, pack: bytes, commit: str, spec: CommitSpec = SPEC) -> PublishedWork:
        self._path.write_bytes(pack)
        return await self._repositories.take_in(self._base, self._path, commit, spec)

    async def refused(self, pack: bytes, commit: str, why: str = "") -> str:
        with pytest.raises(WorkRefused) as raised:
            await self(pack, commit)
        assert raised.value.next_step
        assert why in raised.value.message
        return raised.value.message


async def test_an_honest_pack_made_by_hand_is_taken(forge: Forge, take: Take) -> None:
    commit = forge.file("100644", "src/new.py", b"x = 1\n")
    assert (await take(forge.pack(), commit)).commit == commit


@pytest.mark.parametrize(
    ("mode", "path", "content"),
    [
        ("100644", "../escape", b"x"),
        ("100644", "a/../b", b"x"),
        ("100644", "./a", b"x"),
        ("100644", ".git/config", b"[core]\n\tsshCommand = touch /marker\n"),
        ("100644", ".GIT/hooks/post-checkout", b"#!/bin/sh\n"),
        ("100644", "sub/.git/config", b"[core]\n\tfsmonitor = touch /marker\n"),
        ("100644", "git~1/config", b"x"),
        ("100644", ".g\u200cit/config", b"x"),
        ("100644", ".git ", b"x"),
        ("100644", ".gitmodules", b'[submodule "x"]\n\tpath = x\n\turl = -u./payload\n'),
        ("100644", ".gitmodules", b'[submodule "x"]\n\tpath = x\n\turl = https://host/x\n\tupdate = !touch /marker\n'),
        ("100644", ".gitmodules", b'[submodule "fine"]\n\tpath = x\n\turl = https://host/x\n'),
        ("100644", "deep/.gitmodules", b"[submodule]\n"),
        ("120000", ".gitmodules", b"README.md"),
        ("120000", "link", b"/etc/passwd"),
        ("120000", "link", b"../outside"),
        ("120000", "a/b/link", b"../../../outside"),
        ("120000", "link", b"sub/../../outside"),
        ("120000", "link", b".git/config"),
        ("120000", "a/link", b"../.GIT/hooks"),
        ("120000", "link", b"x" * 5000),
        ("100664", "group-writable", b"x"),
        ("104755", "setuid", b"x"),
        ("100644", "", b"x"),
    ],
)
async def test_a_tree_that_could_hurt_who_checks_it_out_is_refused(
    forge: Forge, take: Take, mode: str, path: str, content: bytes
) -> None:
    commit = forge.file(mode, path, content)
    await take.refused(forge.pack(), commit)


@pytest.mark.parametrize("target", [b"README.md", b"../README.md", b"../src", b"..", b"absent"])
async def test_a_link_that_stays_inside_is_taken(forge: Forge, take: Take, target: bytes) -> None:
    commit = forge.file("120000", "docs/link", target)
    await take(forge.pack(), commit)


async def test_a_new_submodule_is_refused(forge: Forge, take: Take) -> None:
    commit = forge.commit(forge.tree([("160000", "module", "1" * 40)]))
    await take.refused(forge.pack(), commit, "submodule")


async def test_a_submodule_of_the_base_may_neither_move_nor_vanish(
    repositories: GitRepositories, source: Path, place: Path
) -> None:
    git(source, "update-index", "--add", "--cacheinfo", f"160000,{'1' * 40},module")
    git(source, "commit", "--quiet", "--message", "module")
    base = await repositories.resolve(RepositorySpec(url=str(source)))
    for entries in ([("160000", "module", "2" * 40)], []):
        forge = Forge(base.commit)
        blob = forge.add("blob", b"x")
        commit = forge.commit(forge.tree([("100644", "a", blob), *entries]))
        await Take(repositories, base, place / "forged.pack").refused(forge.pack(), commit, "submodule")


async def test_a_damaged_pack_is_refused(forge: Forge, take: Take) -> None:
    commit = forge.file("100644", "a", b"x" * 100)
    pack = forge.pack()
    flipped = bytearray(pack)
    flipped[len(pack) // 2] ^= 255
    for damaged in (b"", b"PACK", b"not a pack at all", pack[:-1], pack[:40], bytes(flipped), pack + b"more"):
        await take.refused(damaged, commit)


async def test_a_pack_that_lacks_an_object_is_refused(forge: Forge, take: Take) -> None:
    commit = forge.file("100644", "a/b", b"x")
    whole = list(forge.objects)
    for index in range(len(whole)):
        forge.objects = whole[:index] + whole[index + 1 :]
        await take.refused(forge.pack(), commit)


@pytest.mark.parametrize("parents", [0, 2, "other", "grandparent"])
async def test_a_commit_with_other_parents_is_refused(
    repositories: GitRepositories, source: Path, place: Path, parents: int | str
) -> None:
    first = git(source, "rev-parse", "HEAD")
    commit_files(source, {"second": "2"})
    base = await repositories.resolve(RepositorySpec(url=str(source)))
    forge = Forge(base.commit)
    tree = forge.tree([("100644", "a", forge.add("blob", b"x"))])
    lines = {
        0: "",
        2: f"parent {base.commit}\nparent {first}\n",
        "other": f"parent {first}\n",
        "grandparent": f"parent {expected_commit(tree, base.commit, SPEC)}\n",
    }
    if parents == "grandparent":
        forge.commit(tree)
    rest = commit_body(base.commit, SPEC).partition("\n")[2]
    commit = forge.add("commit", f"tree {tree}\n{lines[parents]}{rest}".encode())
    await Take(repositories, base, place / "forged.pack").refused(forge.pack(), commit, "not the one")


async def test_a_commit_that_carries_more_lines_is_refused(forge: Forge, take: Take) -> None:
    tree = forge.tree([("100644", "a", forge.add("blob", b"x"))])
    head, _, message = commit_body(forge.base, SPEC).partition("\n\n")
    commit = forge.add("commit", f"tree {tree}\n{head}\ngpgsig none\n\n{message}".encode())
    await take.refused(forge.pack(), commit, "not the one")


async def test_objects_that_the_commit_does_not_need_are_left_behind(
    forge: Forge, take: Take, repositories: GitRepositories, base: ResolvedRepository, source: Path
) -> None:
    commit = forge.file("100644", "a", b"x")
    stray = forge.add("blob", b"smuggled")
    work = await take(forge.pack(), commit)
    await repositories.push(base, work)
    assert git(source, "cat-file", "-t", work.commit) == "commit"
    assert git(source, "cat-file", "-t", stray, fails=True) == ""


async def test_a_file_that_unpacks_to_too_much_is_refused(forge: Forge, take: Take) -> None:
    commit = forge.file("100644", "bomb", bytes(60 * 1024**2))
    pack = forge.pack()
    assert len(pack) < 100_000
    await take.refused(pack, commit, "bomb has 60.0 MiB")


async def test_more_files_than_anybody_reads_are_refused(forge: Forge, take: Take) -> None:
    blob = forge.add("blob", b"")
    commit = forge.commit(forge.tree([("100644", f"{number:05}", blob) for number in range(20_001)]))
    await take.refused(forge.pack(), commit, "files")


async def test_a_branch_name_that_git_would_not_take_is_refused(forge: Forge, take: Take) -> None:
    commit = forge.file("100644", "a", b"x")
    with pytest.raises(Exception, match="cannot be the name"):
        await take(forge.pack(), commit, SPEC.model_copy(update={"branch": "--force"}))


MALFORMED = {
    "a .git/config": ("100644", ".git/config", b"[core]\n\tfsmonitor = touch /marker\n"),
    "a way up": ("100644", "../escape", b"x"),
    "an option for an address": ("100644", ".gitmodules", b'[submodule "x"]\n\tpath = x\n\turl = -u./payload\n'),
    "a command for an update": (
        "100644",
        ".gitmodules",
        b'[submodule "x"]\n\tpath = x\n\turl = https://host/x\n\tupdate = !touch /marker\n',
    ),
    "a link for .gitmodules": ("120000", ".gitmodules", b"README.md"),
    "a link out of the tree": ("120000", "link", b"../../outside"),
}


@pytest.mark.parametrize("name", MALFORMED)
async def test_git_by_itself_takes_the_malformed_packs_that_are_refused_here(
    forge: Forge, take: Take, source: Path, place: Path, name: str
) -> None:
    """The control: with a plain `index-pack` and with a fetch, the same objects get in and can be checked out."""
    commit = forge.file(*MALFORMED[name])
    pack = forge.pack()
    await take.refused(pack, commit)
    bare = place / "naive.git"
    git(place, "clone", "--quiet", "--bare", str(source), str(bare))
    git(bare, "index-pack", "--stdin", stdin=pack)
    git(bare, "update-ref", "refs/heads/taken", commit)
    git(place, "clone", "--quiet", "--bare", "--no-local", str(bare), str(place / "fetched.git"))
    assert git(place / "fetched.git", "rev-parse", "taken") == commit
