"""Where content, workspaces and snapshots are kept."""

from collections.abc import AsyncIterator, Mapping, Sequence
from contextlib import AbstractAsyncContextManager
from datetime import datetime
from pathlib import Path
from typing import Protocol

from domain.snapshot import Manifest, SnapshotRef
from domain.workspace import AttemptLayers, BaseSpec, FileChange, SealedAttempt, WorkspaceLease


class Blobs(Protocol):
    """Content by its sha256 (hex). Immutable; putting twice is putting once. Raises StorageUnavailable, OutOfSpace."""

    async def put(self, content: bytes) -> str: ...

    async def put_file(self, path: Path) -> str: ...

    async def get(self, address: str) -> bytes: ...

    async def get_range(self, address: str, start: int, length: int) -> bytes: ...

    async def get_file(self, address: str, path: Path) -> None: ...

    async def has(self, address: str) -> bool: ...

    async def keeps(self, address: str) -> bool:
        """Whether it is there and stays: what is about to be collected must be put again by whoever wants it."""
        ...

    def listed(self) -> AsyncIterator[tuple[str, datetime]]:
        """All addresses, each with the time at which it was last put."""
        ...

    async def condemned(self) -> Mapping[str, datetime]:
        """Addresses that nothing referred to, and since when that is known."""
        ...

    async def condemn(self, address: str) -> None: ...

    async def spare(self, address: str) -> None:
        """Takes back that it is condemned."""
        ...

    async def remove(self, address: str, last_put: datetime) -> bool:
        """Unless it was put again since `last_put`."""
        ...


class Workspaces(Protocol):
    """The files of the runs on this host. One lock per workspace: reads share it, apply holds it alone."""

    async def open(self, lease: WorkspaceLease, base: BaseSpec, base_path: Path) -> tuple[SnapshotRef, bool]:
        """Brings this host's copy to the lease's snapshot (the bare base where that is None). `base_path` is the
        cached checkout. Answers with the snapshot it stands at, and whether the host's own copy was adopted."""
        ...

    async def begin(self, lease: WorkspaceLease, call: str, attempt: int) -> AttemptLayers:
        """Brings the base to the committed snapshot, then makes fresh upper directories. Fenced if not open here."""
        ...

    def reading(self, lease: WorkspaceLease) -> AbstractAsyncContextManager[AttemptLayers]:
        """The workspace as committed, read-only; nothing is applied to it meanwhile."""
        ...

    async def read_mounts(self, lease: WorkspaceLease) -> AttemptLayers:
        """The workspace as committed, read-only."""
        ...

    async def seal(self, lease: WorkspaceLease, layers: AttemptLayers) -> SealedAttempt:
        """Scans the attempt into a delta and stores it as one pack. Raises OutOfSpace."""
        ...

    async def apply(self, lease: WorkspaceLease, sealed: SealedAttempt) -> None:
        """After the commit: merges the attempt into the base. Idempotent at any point of death."""
        ...

    async def discard(self, workspace_id: str, call: str, before_attempt: int) -> None:
        """Removes what attempts of a call with a lower number left."""
        ...

    async def close(self, workspace_id: str, generation: int | None = None) -> None:
        """Removes this host's copy of a workspace, or what it has of no later generation; its snapshots stay."""
        ...

    async def sweep(self) -> None:
        """At start: removes attempts that nobody owns."""
        ...


class Snapshots(Protocol):
    """Snapshots from the blob store alone: any host, running or not."""

    async def manifest(self, ref: SnapshotRef) -> Manifest: ...

    async def read(self, ref: SnapshotRef, path: str) -> bytes | None:
        """A file that was changed since the base; None where the manifest does not name it."""
        ...

    async def references(self, address: str) -> frozenset[str]:
        """What a blob needs in order to be read as a snapshot; nothing where it is none."""
        ...

    async def changes(self, ref: SnapshotRef) -> Sequence[FileChange]:
        """Changed regular files of /workspace against the base, without incidental ones and without .git."""
        ...
