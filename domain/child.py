"""A child: a run that the agent of another run started for a part of its task."""

from uuid import UUID, uuid5

from domain.limits import Spent
from domain.snapshot import SnapshotRef
from domain.value import Value

_NAMESPACE = UUID("6b7b6f0e-5f0c-5c1e-9d3c-0f6e3a1d7c52")


class ChildOf(Value):
    """Where a child comes from. It works on a fork of its parent's workspace, and on its parent's account."""

    parent: str
    call: str
    """The call of the parent that asked for it."""
    root: str
    """The run that people started."""
    depth: int
    """1 where the parent is that run."""
    snapshot: SnapshotRef
    """The parent's files when it began."""


class ChildEnd(Value):
    """What became of a child, as the call that asked for it says."""

    run_id: str
    snapshot_id: str | None
    """Of its files at its end."""
    spent: Spent
    """By it and by its own children."""


def child_id(parent: str, call: str) -> str:
    """The same for every attempt of a call, so that none starts a second child."""
    return str(uuid5(_NAMESPACE, f"{parent}/{call}"))
