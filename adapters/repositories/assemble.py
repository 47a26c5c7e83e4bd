"""The commit built on the host from a snapshot alone, for where the sandbox cannot: the agent's `.git` plays no part.

Git is let at a directory that only we write: the changed files, without any `.git`. What did not change stands in the
index as not checked out, where git finds its ignore rules and attributes, too. So the tree is what git makes it.
"""

import asyncio
import hashlib
import os
import stat
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from pathlib import Path

from adapters.repositories.commit import CACHES, commit_body
from adapters.repositories.empty import commit_bytes
from adapters.repositories.intake import Intake
from adapters.repositories.rules import WorkRules, shown
from domain.errors import WorkRefused
from domain.ports.files import Snapshots
from domain.repository import CommitSpec
from domain.snapshot import DirectoryEntry, Entry, FileEntry, LinkEntry, Manifest, SnapshotRef

ROOT = "workspace/"
SECONDS = 600.0
NO_DIRECTORY = os.O_RDONLY | os.O_DIRECTORY | os.O_NOFOLLOW | os.O_CLOEXEC
NEW = os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_NOFOLLOW | os.O_CLOEXEC


@dataclass(frozen=True)
class Assembly:
    """One piece of work. `manifest` is of the workspace alone, its paths below it, without any `.git`."""

    clean: Intake
    snapshots: Snapshots
    ref: SnapshotRef
    manifest: Manifest
    rules: WorkRules

    @property
    def tree(self) -> Path:
        return self.clean.git_dir.parent / "tree"

    async def make(self, base: str, commit: CommitSpec) -> str | None:
        """The commit, in the clean repository; None where nothing differs from the base. Raises WorkRefused."""
        self._prepare()
        standing = await self._index(base)
        ruling = [path for path in self._files() if path.rpartition("/")[2] in (".gitignore", ".gitattributes")]
        self._check_sizes(ruling)
        await self._write(ruling)
        ignored = await self._ignored()
        wanted = [path for path in self._files() if path not in ignored or path in standing]
        self._check_sizes(wanted)
        await self._write(wanted)
        added = await self.clean.run(*self._worktree, "add", "--all", "--sparse", seconds=SECONDS)
        if not added.ok:
            raise WorkRefused(f"The work could not be committed: {added.ended or added.error[-600:]}", _KEPT)
        await self._keep_unchanged(base)
        tree = (await self.clean.need("write-tree")).decode().strip()
        if tree == (await self.clean.need("rev-parse", f"{base}^{{tree}}")).decode().strip():
            return None
        body = commit_bytes(tree, commit_body(base, commit))
        return (await self.clean.need("hash-object", "-t", "commit", "-w", "--stdin", stdin=body)).decode().strip()

    @property
    def _worktree(self) -> tuple[str, ...]:
        return ("-c", "core.bare=false", "-c", "core.safecrlf=false", f"--work-tree={self.tree}")

    def _prepare(self) -> None:
        self.tree.mkdir(mode=0o700)
        (self.clean.git_dir / "info").mkdir(exist_ok=True)
        (self.clean.git_dir / "info" / "exclude").write_text("".join(f"{pattern}\n" for pattern in CACHES))

    async def _index(self, base: str) -> set[str]:
        """Reads the base into the index, where what did not change counts as not checked out; its paths."""
        await self.clean.need("read-tree", base, seconds=SECONDS)
        listed = (await self.clean.need("ls-files", "--stage", "-z", seconds=SECONDS)).split(b"\0")
        pairs = [line.split(b"\t", 1) for line in listed if line]
        standing = {os.fsdecode(path): head[:6] for head, path in pairs}
        modules = {path for path, mode in standing.items() if mode == b"160000"}
        for path in self._files():
            if (module := next((above for above in _above(path) if above in modules), None)) is not None:
                raise WorkRefused(
                    f"There are files in the submodule {shown(module)}, and a commit here cannot hold them.", _KEPT
                )
        kept = [path for path in standing if not self._replaces(path)]
        given = b"".join(os.fsencode(path) + b"\0" for path in kept)
        await self.clean.need(
            *self._worktree, "update-index", "-z", "--skip-worktree", "--stdin", stdin=given, seconds=SECONDS
        )
        return set(standing)

    def _replaces(self, path: str) -> bool:
        """Whether the snapshot has something of its own where the base has this file, or hides it."""
        if path in self.manifest:
            return True
        return any(_hides(self.manifest.get(above)) for above in _above(path))

    def _files(self) -> list[str]:
        return [path for path, entry in self.manifest.items() if isinstance(entry, FileEntry | LinkEntry)]

    async def _ignored(self) -> set[str]:
        given = b"".join(os.fsencode(path) + b"\0" for path in self._files())
        found = await self.clean.run(*self._worktree, "check-ignore", "-z", "--stdin", stdin=given, seconds=SECONDS)
        if found.code not in (0, 1):
            raise WorkRefused(f"The work's ignore rules cannot be read: {found.ended or found.error[-300:]}", _KEPT)
        return {os.fsdecode(path) for path in found.output.split(b"\0") if path}

    def _check_sizes(self, wanted: Iterable[str]) -> None:
        """Before any content is fetched; `check_sizes` says the same of what was committed."""
        sizes = {path: entry.size for path in wanted if isinstance(entry := self.manifest[path], FileEntry)}
        large = next((path for path, size in sizes.items() if size > self.rules.file_bytes), None)
        if large is not None:
            most = self.rules.file_bytes // 1024**2
            raise WorkRefused(f"{shown(large)} has more than {most} MiB.", "Remove it or add it to .gitignore.")
        if sum(sizes.values()) > self.rules.total_bytes or len(sizes) > self.rules.files:
            raise WorkRefused("The changed files are too many or too large.", "Add what is generated to .gitignore.")

    async def _write(self, paths: Iterable[str]) -> None:
        for path in paths:
            entry = self.manifest[path]
            if isinstance(entry, LinkEntry):
                await asyncio.to_thread(_place, self.tree, path, entry.target, 0)
            elif isinstance(entry, FileEntry):
                content = await self.snapshots.read(self.ref, ROOT + path)
                await asyncio.to_thread(_place, self.tree, path, content or b"", entry.mode)

    async def _keep_unchanged(self, base: str) -> None:
        """As commit.sh does: a file equal to the base's checkout stays as it was, whatever a filter makes of it."""
        asked = ("diff-index", "--cached", "--diff-filter=M", "--name-only", "-z", base)
        for name in (await self.clean.need(*asked)).split(b"\0"):
            entry = self.manifest.get(path := os.fsdecode(name))
            if not isinstance(entry, FileEntry):
                continue
            before = (await self.clean.need("ls-tree", "-z", base, "--", f":(literal){path}")).split()
            shown_as = await self.clean.run(*self._worktree, "cat-file", "--filters", f"{base}:{path}")
            same = hashlib.sha256(shown_as.output).hexdigest() == entry.hash
            if shown_as.ok and same and before[0] == (b"100755" if entry.mode & stat.S_IXUSR else b"100644"):
                cached = f"{before[0].decode()},{before[2].decode()},{path}"
                await self.clean.need("update-index", "--cacheinfo", cached)


_KEPT = "The run's files are kept: see its diff and files."


def published_part(manifest: Mapping[str, Entry]) -> Manifest:
    """What git would look at: the workspace, without what is called `.git`, at any depth. Raises WorkRefused."""
    kept: Manifest = {}
    for full, entry in manifest.items():
        path = full.removeprefix(ROOT)
        parts = path.split("/")
        if path == full or ".git" in parts:
            continue
        if any(part in ("", ".", "..") for part in parts) or "\0" in path:
            raise WorkRefused(f"{shown(path)} is no name of a file.", _KEPT)
        kept[path] = entry
    return kept


def _hides(entry: Entry | None) -> bool:
    """Whether nothing of the base shows below it."""
    return entry is not None and (not isinstance(entry, DirectoryEntry) or entry.opaque)


def _above(path: str) -> list[str]:
    parts = path.split("/")
    return ["/".join(parts[:count]) for count in range(1, len(parts))]


def _place(root: Path, path: str, content: bytes | str, mode: int) -> None:
    """A new file, or a link where `content` is text; no link is ever followed. What is there already stays."""
    *directories, name = path.split("/")
    folder = os.open(root, NO_DIRECTORY)
    try:
        for directory in directories:
            if not os.path.lexists(f"/proc/self/fd/{folder}/{directory}"):
                os.mkdir(directory, 0o700, dir_fd=folder)
            inner = os.open(directory, NO_DIRECTORY, dir_fd=folder)
            os.close(folder)
            folder = inner
        if isinstance(content, str):
            os.symlink(content, name, dir_fd=folder)
            return
        file = os.open(name, NEW, 0o700 if mode & stat.S_IXUSR else 0o600, dir_fd=folder)
        with os.fdopen(file, "wb") as opened:
            opened.write(content)
    except FileExistsError:
        return
    finally:
        os.close(folder)
