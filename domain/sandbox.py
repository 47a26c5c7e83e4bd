"""The place where commands run."""

from typing import Annotated, Literal

from pydantic import Field

from domain.value import Value

WORKSPACE_PATH = "/workspace"
HOME_PATH = "/home/agent"
MIRROR_PATH = "/mirror"
OUTPUTS_PATH = "/outputs"
TOOLCHAIN_PATH = "/opt/perdure/toolchain"
CHECKS_DIRECTORY = "checks"
"""In the toolchain: Python packages that are on no agent's path."""
PROXY_SOCKET_PATH = "/run/perdure/proxy.sock"
PROXY_PORT = 3128
"""Where a command finds the proxy on its own loopback; a forwarder inside leads from there to the socket."""
PROXY_FORWARDER_PATH = "/run/perdure/forward.py"
_PROXY = dict.fromkeys(("HTTP_PROXY", "HTTPS_PROXY", "ALL_PROXY"), f"http://127.0.0.1:{PROXY_PORT}")
_DIRECT = {"NO_PROXY": "localhost,127.0.0.1"}
PROXY_ENVIRONMENT: dict[str, str] = {
    **{spelt: value for name, value in {**_PROXY, **_DIRECT}.items() for spelt in (name, name.lower())},
    "NODE_USE_ENV_PROXY": "1",
}
"""What programs go by to find the proxy; they do not ask it for the command's own loopback."""
REPORT_BYTES = 256 * 1024


class ReadOnlyMount(Value):
    type: Literal["read_only"] = "read_only"
    source: str
    target: str


class WritableMount(Value):
    """A plain directory that the command may change; what a retry must undo in it, the workspaces undo."""

    type: Literal["writable"] = "writable"
    source: str
    target: str


class OverlayMount(Value):
    """`sources` from the lowest to the highest; changes go to `upper`. Without `upper` it is read-only."""

    type: Literal["overlay"] = "overlay"
    sources: tuple[str, ...]
    target: str
    upper: str | None = None
    work: str | None = None


Mount = Annotated[ReadOnlyMount | WritableMount | OverlayMount, Field(discriminator="type")]


class SandboxLimits(Value):
    memory_bytes: int = 2 * 1024**3
    processes: int = 512
    cpus: float = 2.0
    file_bytes: int = 2 * 1024**3
    """The largest file that a command may write."""
    output_bytes: int = 50 * 1024**2
    """A command that prints more is killed."""
    disk_bytes: int = 8 * 1024**3
    """How much a command may add to the files of its run before it is killed."""
    disk_files: int = 500_000
    """How many files and directories it may add."""
    seconds: int = 3600
    """The longest that a command may ask for."""


class Command(Value):
    """One command: no tty, its own session, an environment of exactly `environment`."""

    argv: tuple[str, ...]
    cwd: str = WORKSPACE_PATH
    environment: dict[str, str] = {}
    stdin: bytes = b""
    timeout_seconds: float = 120.0
    mounts: tuple[Mount, ...] = ()
    limits: SandboxLimits = SandboxLimits()
    run_id: str = ""
    """The run it belongs to; a sandbox that stays warm between commands keeps one for each run."""
    image: str | None = None
    """An OCI image for sandboxes that know images; None is the operator's default."""
    proxy: str | None = None
    """Host path of the UNIX socket of an allow-listing proxy, the only way out; None is no network at all."""
    name: str = "command"
    """Unique while it runs on this host; names the cgroup: `<run>-<key>-<attempt>`."""
    keep_bytes: int = 64 * 1024
    """Head and tail of the output kept in memory are half of this each."""
    output_path: str | None = None
    """A host file that receives the whole standard output (and error, unless `split_error`)."""
    split_error: bool = False
    """Standard error is kept apart in `CommandResult.error`; otherwise the two are one stream."""
    report: bool = False
    """File descriptor 3 is open for writing; what comes there is `CommandResult.report`. Not with `split_error`."""


class CommandResult(Value):
    """`exit_code` is 128 + signal for a killed command. `head + tail` is all of it when not `cut`."""

    exit_code: int
    head: bytes
    tail: bytes = b""
    error: bytes = b""
    output_bytes: int = 0
    cut: bool = False
    ended: Literal["exited", "timed_out", "output_limit", "disk_limit", "out_of_memory", "cancelled"] = "exited"
    seconds: float = 0.0
    report: bytes = b""
    """What was written to file descriptor 3, at most REPORT_BYTES of it."""


class Enforcement(Value):
    """What is in force on this host, as tried at start, and recorded in the run."""

    sandbox: str
    memory: str = "none"
    processes: str = "none"
    cpu: str = "none"
    disk: str = "none"
    network: str = "none"
    notes: tuple[str, ...] = ()


class Check(Value):
    """One line of `perdure doctor`."""

    name: str
    ok: bool
    found: str
    remedy: str = ""
