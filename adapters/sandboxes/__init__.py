"""The sandboxes by name."""

from pathlib import Path
from typing import TYPE_CHECKING

from adapters.sandboxes.bubblewrap import BubblewrapSandbox
from adapters.sandboxes.none import NoSandbox
from adapters.settings import Settings
from domain.errors import SandboxRefused

if TYPE_CHECKING:
    from adapters.sandboxes.docker import DockerSandbox


def make_sandbox(settings: Settings) -> "BubblewrapSandbox | DockerSandbox | NoSandbox":
    """`prepare()` it before the first command. Raises SandboxRefused for a name that is none."""
    home, uid, toolchain = settings.worker_home, settings.agent_uid, settings.toolchain_paths
    if settings.sandbox == "bubblewrap":
        return BubblewrapSandbox(home, uid, toolchain, Path(settings.sandbox_root))
    if settings.sandbox == "docker":
        # Its SDK is a tenth of the time that a worker takes to come back.
        from adapters.sandboxes.docker import DockerSandbox

        image, runtime, host = settings.docker_image, settings.docker_runtime, settings.docker_host
        return DockerSandbox(home, uid, image, runtime, host, toolchain)
    if settings.sandbox == "none":
        return NoSandbox(home, uid, toolchain)
    raise SandboxRefused(
        f"There is no sandbox {settings.sandbox!r}.", "PERDURE_SANDBOX is bubblewrap, docker, or none said out loud."
    )
