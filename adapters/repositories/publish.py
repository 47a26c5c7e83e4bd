"""Work on its way out: taken in from the sandbox, checked, kept as a blob, and pushed from there."""

import asyncio
import codecs
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from adapters.repositories.added import FLAGS, Added, read_added
from adapters.repositories.assemble import Assembly, published_part
from adapters.repositories.bandit import check_python
from adapters.repositories.commit import expected_commit, object_form
from adapters.repositories.faults import local_fault, remote_fault
from adapters.repositories.intake import Intake, intake, open_pack
from adapters.repositories.judgement import judge, settle
from adapters.repositories.mirror import Mirrors
from adapters.repositories.program import GitCall
from adapters.repositories.reference import OBJECT_ID, check_name
from adapters.repositories.rules import (
    MAX_LINK_BYTES,
    Change,
    WorkRules,
    check_changes,
    check_link,
    check_sizes,
    parse_changes,
    shown,
)
from adapters.repositories.transport import receive_pack
from domain.errors import OutOfSpace, RemoteUnavailable, RepositoryRefused, WorkRefused
from domain.ports.files import Blobs, Snapshots
from domain.ports.sandbox import Sandbox
from domain.repository import CommitSpec, Finding, PublishedWork, ResolvedRepository
from domain.snapshot import SnapshotRef
from domain.terms import PublishRules

DIFF_BYTES = 20 * 1024**2
ADDED_BYTES = 32 * 1024**2
"""How much memory what the work adds may take; the rest of it is not searched."""
PACK_FLAGS = ("--revs", "--thin", "--stdout", "--quiet", "--delta-base-offset", "--threads=1")
PUSH_SECONDS = 900.0
AGAIN = "What the run made is kept: see its diff, and start the run again."


@dataclass(frozen=True)
class Publisher:
    root: Path
    """Where clean repositories are made."""
    mirrors: Mirrors
    blobs: Blobs
    rules: WorkRules
    sandbox: Sandbox

    async def take_in(
        self, repository: ResolvedRepository, pack: Path, commit_id: str, commit: CommitSpec, rules: PublishRules
    ) -> PublishedWork:
        base = repository.commit
        if not OBJECT_ID.fullmatch(commit_id) or len(commit_id) != len(base):
            raise WorkRefused("The sandbox reported no commit.", AGAIN)
        check_name(commit.branch)
        mirror = await self.mirrors.restore(repository)
        async with intake(self.root, mirror, object_form(base)) as clean:
            with open_pack(pack, self.rules.pack_bytes) as file:
                imported = await clean.import_pack(file, self.rules.pack_bytes, strict=True)
            if isinstance(fault := local_fault(imported, "git index-pack"), OutOfSpace) and not imported.ok:
                raise fault
            if not imported.ok:
                raise WorkRefused(f"Git refuses the work's objects: {imported.ended or imported.error[-600:]}", AGAIN)
            tree = await self._check_commit(clean, base, commit_id, commit)
            changes = await self._check_tree(clean, base, commit_id)
            added, removed = await _count(clean, base, commit_id)
            found = await self._find(clean, (base, commit_id), changes, added + removed, rules)
            findings, findings_count = settle(found)
            return PublishedWork(
                branch=commit.branch,
                base=base,
                commit=commit_id,
                tree=tree,
                pack=await self._store_pack(clean, base, commit_id),
                diff=await self._store_diff(clean, base, commit_id),
                files=len(changes),
                added=added,
                removed=removed,
                findings=findings,
                findings_count=findings_count,
            )

    async def assemble(
        self, repository: ResolvedRepository, ref: SnapshotRef, snapshots: Snapshots, commit: CommitSpec, pack: Path
    ) -> str | None:
        base = repository.commit
        mirror = await self.mirrors.restore(repository)
        manifest = published_part(await snapshots.manifest(ref))
        async with intake(self.root, mirror, object_form(base)) as clean:
            made = await Assembly(clean, snapshots, ref, manifest, self.rules).make(base, commit)
            if made is not None:
                await clean.write(pack, "pack-objects", *PACK_FLAGS, stdin=f"{made}\n^{base}\n".encode())
        return made

    async def _check_commit(self, clean: Intake, base: str, commit_id: str, commit: CommitSpec) -> str:
        """The tree of a commit that is exactly what the spec says, over exactly the base, with nothing missing."""
        asked = await clean.run("rev-parse", "--verify", "--quiet", "--end-of-options", f"{commit_id}^{{tree}}")
        tree = asked.output.decode().strip()
        if not OBJECT_ID.fullmatch(tree) or expected_commit(tree, base, commit) != commit_id:
            raise WorkRefused("The sandbox's commit is not the one that was asked for.", AGAIN)
        walked = await clean.run("rev-list", "--objects", "--quiet", commit_id, "--not", base, seconds=600.0)
        if not walked.ok:
            raise WorkRefused(f"The work's pack is not whole: {walked.ended or walked.error[-300:]}", AGAIN)
        return tree

    async def _check_tree(self, clean: Intake, base: str, commit_id: str) -> Sequence[Change]:
        raw = ("-r", "-z", "--raw", "--no-renames", "--full-index", "--ignore-submodules=none")
        changes = parse_changes(await clean.need("diff-tree", *raw, base, commit_id))
        check_changes(changes, self.rules)
        objects = "".join(f"{change.new}\n" for change in changes if change.adds).encode()
        listed = await clean.need("cat-file", "--batch-check=%(objectname) %(objectsize)", stdin=objects)
        pairs = (line.split(" ") for line in listed.decode().splitlines())
        sizes = {name: int(size) for name, size in pairs}
        check_sizes(changes, sizes, self.rules)
        for change in changes:
            if change.new_mode == "120000":
                if sizes[change.new] > MAX_LINK_BYTES:
                    raise WorkRefused(f"The symbolic link {shown(change.path)} is too long.", "Remove it.")
                check_link(change.path, await clean.need("cat-file", "blob", change.new))
        return changes

    async def _find(
        self, clean: Intake, ends: tuple[str, str], changes: Sequence[Change], lines: int, rules: PublishRules
    ) -> list[Finding]:
        path = clean.git_dir.parent / "added.diff"
        await clean.write(path, "diff-tree", *FLAGS, *ends)

        def look() -> tuple[dict[str, Added], list[Finding]]:
            with path.open("rb") as diff:
                added, whole = read_added(diff, ADDED_BYTES)
            return added, list(judge(changes, added, whole, lines, rules))

        added, found = await asyncio.to_thread(look)
        return [*found, *await check_python(clean, self.sandbox, changes, added, rules.bandit)]

    async def _store_pack(self, clean: Intake, base: str, commit_id: str) -> str:
        """Packed anew: what the sandbox added beside the commit's own objects is left behind."""
        path = clean.git_dir.parent / "work.pack"
        await clean.write(path, "pack-objects", *PACK_FLAGS, stdin=f"{commit_id}\n^{base}\n".encode())
        return await self.blobs.put_file(path)

    async def _store_diff(self, clean: Intake, base: str, commit_id: str) -> str:
        path = clean.git_dir.parent / "work.diff"
        flags = ("-r", "-p", "--no-ext-diff", "--no-textconv", "--no-color", "--find-renames", "-l500")
        await clean.write(path, "-c", "core.quotePath=false", "diff-tree", *flags, base, commit_id)
        return await self.blobs.put(_as_text(path))

    async def remote_commit(self, repository: ResolvedRepository, branch: str) -> str | None:
        name = f"refs/heads/{branch}"
        refs, _ = await self.mirrors.list_refs(self.mirrors.policy.admit(repository.url), name)
        return refs.get(name)

    async def push(self, repository: ResolvedRepository, work: PublishedWork) -> None:
        check_name(work.branch)
        remote = self.mirrors.policy.admit(repository.url)
        if await self._is_there(repository, work):
            return
        mirror = await self.mirrors.restore(repository)
        async with intake(self.root, mirror, object_form(work.base)) as clean:
            path = clean.git_dir.parent / "work.pack"
            await self.blobs.get_file(work.pack, path)
            with path.open("rb") as file:
                imported = await clean.import_pack(file, 2 * self.rules.pack_bytes, strict=False)
            if not imported.ok:
                raise local_fault(imported, "git index-pack")
            name = f"refs/heads/{work.branch}"
            flags = ["--no-verify", "--no-follow-tags", "--no-signed", f"--force-with-lease={name}:"]
            arguments = ["push", *flags, *receive_pack(remote), "--", remote.location, f"{work.commit}:{name}"]
            call = GitCall(arguments, clean.git_dir, timeout_seconds=PUSH_SECONDS)
            await self._send(repository, work, call)

    async def _send(self, repository: ResolvedRepository, work: PublishedWork, call: GitCall) -> None:
        remote = self.mirrors.policy.admit(repository.url)
        result = await self.mirrors.try_ask(remote, call)
        if result.ok:
            return
        # The lease may have failed because somebody was quicker; that somebody may have been this run.
        fault = remote_fault(result, remote, f"pushing {work.branch}")
        if isinstance(fault, RemoteUnavailable) or not await self._is_there(repository, work):
            raise fault

    async def _is_there(self, repository: ResolvedRepository, work: PublishedWork) -> bool:
        stands = await self.remote_commit(repository, work.branch)
        if stands not in (None, work.commit):
            raise RepositoryRefused(
                f"{repository.url} has a branch {work.branch} already, at {stands[:12] if stands else ''}: "
                f"it is not this run's {work.commit[:12]} and stays as it is.",
                "Rename or remove that branch, then publish again.",
            )
        return stands == work.commit


async def _count(clean: Intake, base: str, commit_id: str) -> tuple[int, int]:
    listed = await clean.need("diff-tree", "-r", "-z", "--numstat", "--no-renames", base, commit_id, seconds=600.0)
    counts = [line.split(b"\t", 2)[:2] for line in listed.split(b"\0") if line]
    text = [(int(added), int(removed)) for added, removed in counts if added != b"-"]
    return sum(added for added, _ in text), sum(removed for _, removed in text)


def _as_text(path: Path) -> bytes:
    """The diff as UTF-8, whatever it holds, at most DIFF_BYTES of it."""
    decoder = codecs.getincrementaldecoder("utf-8")(errors="replace")
    with path.open("rb") as file:
        text = decoder.decode(file.read(DIFF_BYTES), final=True)
        cut = "\n[the rest of the diff is left out]\n" if file.read(1) else ""
    return (text + cut).encode()
