"""The sandboxes by name."""

from collections.abc import Sequence
from pathlib import Path

from adapters.sandboxes.bubblewrap import BubblewrapSandbox
from adapters.sandboxes.none import NoSandbox
from domain.errors import SandboxRefused


def make_sandbox(
    kind: str, worker_home: Path, agent_uid: int | None = None, toolchain_paths: Sequence[str] = ()
) -> BubblewrapSandbox | NoSandbox:
    """`prepare()` it before the first command. Raises SandboxRefused for a name that is none."""
    if kind == "bubblewrap":
        return BubblewrapSandbox(worker_home, agent_uid, toolchain_paths)
    if kind == "none":
        return NoSandbox(worker_home, agent_uid, toolchain_paths)
    raise SandboxRefused(f"There is no sandbox {kind!r}.", "PERDURE_SANDBOX is bubblewrap, or none said out loud.")
