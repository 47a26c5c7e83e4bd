"""A run's files on one host, and the fences that keep old attempts out."""

from domain.sandbox import Mount
from domain.snapshot import SnapshotRef
from domain.value import Value

ROOTS = ("workspace", "home", "tmp")
"""Overlaid and part of snapshots: /workspace, /home/agent and /tmp. Only the first is diffed and published."""


class WorkspaceRef(Value):
    """The address of an open workspace. Tool calls for it go to the task queue `host/<host_id>`."""

    workspace_id: str
    host_id: str
    generation: int
    released: bool = False
    """Given back to its host: nothing of it is held anywhere, and the next call opens it anew."""


class WorkspaceLease(Value):
    """What raising the generation answered: the snapshot that was committed at that moment."""

    workspace_id: str
    host_id: str
    generation: int
    snapshot: SnapshotRef | None
    """None before anything was opened."""


class BaseSpec(Value):
    """The lowest layer: the checkout of a commit, or "empty"."""

    repository: str
    """Remote url, or "" for an empty workspace."""
    commit: str


class AttemptLayers(Value):
    """Where one attempt of one call writes, and what it sees."""

    attempt_id: str
    mounts: tuple[Mount, ...]


class SealedAttempt(Value):
    """An attempt's effect: the snapshot that would be, stored off the host but not yet committed."""

    attempt_id: str
    snapshot: SnapshotRef
    changed: int
    """Number of changed paths; 0 means that `snapshot` is the one it started from."""
    dropped: int = 0
    """Pipes, sockets and devices that it left; they are not kept."""


class FileChange(Value):
    """One changed path of /workspace. `before` and `after` are None where there was or is no file."""

    path: str
    before: bytes | None
    after: bytes | None
    large: bool = False
    """A side is too large to be shown: both are empty where there was or is a file."""
