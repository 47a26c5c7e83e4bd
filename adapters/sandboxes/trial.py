"""Tries each part of the sandbox for real, and says what to do about one that is missing."""

import asyncio
import os
import shutil
import stat
import tempfile
from collections.abc import Awaitable, Callable
from pathlib import Path

from adapters.sandboxes.binary import version_of
from domain.errors import PerdureError
from domain.sandbox import WORKSPACE_PATH, Check, Command, CommandResult, Enforcement, OverlayMount

Run = Callable[[Command], Awaitable[CommandResult]]

CLOSED = {
    "/proc/sys/user/max_user_namespaces": ("0", "sysctl -w user.max_user_namespaces=15000"),
    "/proc/sys/kernel/unprivileged_userns_clone": ("0", "sysctl -w kernel.unprivileged_userns_clone=1"),
    "/proc/sys/kernel/apparmor_restrict_unprivileged_userns": (
        "1",
        "load an AppArmor profile that allows userns for bwrap, or "
        "sysctl -w kernel.apparmor_restrict_unprivileged_userns=0",
    ),
}
IN_CONTAINER = (
    "In a container, allow its processes to unshare and mount: docker run --security-opt seccomp=unconfined "
    "--security-opt systempaths=unconfined --security-opt apparmor=unconfined."
)
OVERLAY_REMEDY = (
    "Overlays need Linux 5.11 or newer and a worker's home (PERDURE_WORKER_HOME) on a disk that is not itself an "
    "overlay: ext4, xfs, btrfs or tmpfs; in a container, a volume."
)
OURS = "This is a fault of Perdure on this host: please report it with the line above."


def namespace_remedy() -> str:
    for path, (value, remedy) in CLOSED.items():
        if Path(path).is_file() and Path(path).read_text().strip() == value:
            return f"As root: {remedy}."
    return IN_CONTAINER


def found_bwrap(binary: Path) -> Check:
    version = ".".join(str(part) for part in version_of(binary))
    return Check(name="bubblewrap", ok=True, found=f"{version} at {binary}")


def found_root(root: Path) -> Check:
    found = "/usr of the host, and an /etc of our making" if root == root.parent else f"all of {root}"
    return Check(name="root", ok=True, found=found)


def control_groups(enforcement: Enforcement) -> Check:
    """Never a failure: without them the limits of each process remain."""
    found = f"memory: {enforcement.memory}; processes: {enforcement.processes}; cpu: {enforcement.cpu}"
    whole = enforcement.memory == enforcement.processes == enforcement.cpu == "cgroup"
    remedy = "" if whole else "For limits on whole commands run the worker as root, or as a unit with Delegate=yes."
    return Check(name="control groups", ok=True, found=found, remedy=remedy)


class Trial:
    """`run` runs a command in the sandbox that is tried."""

    def __init__(self, worker_home: Path, agent_uid: int | None, run: Run) -> None:
        self._home = worker_home / "sandbox"
        self._uid = agent_uid
        self._run = run

    async def containment(self) -> tuple[Check, ...]:
        """Without these nothing may run. What follows a failure is not tried."""
        return await in_turn(self._namespaces, self._overlay, self._system_calls, self._network)

    async def mounting(self) -> tuple[Check, ...]:
        """The part of it without which no workspace can be had, walls or none."""
        return await in_turn(self._mounts, self._overlay)

    async def toolchain(self, environment: dict[str, str]) -> Check:
        text = 'python -c "import sys; print(sys.version.split()[0])" && pytest --version 2>&1'
        ok, said = await self._try(text, environment=environment)
        remedy = "" if ok else "Set PERDURE_TOOLCHAIN to directories that hold a Python and pytest for the sandbox."
        return Check(name="toolchain", ok=ok, found=" / ".join(said.split("\n")), remedy=remedy)

    async def _namespaces(self) -> Check:
        ok, said = await self._try("true")
        found = "users, processes, files and network of its own" if ok else said
        return Check(name="namespaces", ok=ok, found=found, remedy="" if ok else namespace_remedy())

    async def _mounts(self) -> Check:
        ok, said = await self._try("true")
        return Check(name="mounts", ok=ok, found="of its own" if ok else said, remedy="" if ok else namespace_remedy())

    async def _overlay(self) -> Check:
        top = Path(tempfile.mkdtemp(prefix="probe-", dir=self._home))
        try:
            places = [top / name for name in ("lower", "upper", "changes", "work")]
            for place in (top, *places):
                place.mkdir(exist_ok=True)
                os.chown(place, self._uid if self._uid is not None else -1, -1)
            for place in places[:2]:
                (place / place.name).write_text("found\n")
            sources = tuple(str(place) for place in places[:2])
            mount = OverlayMount(sources=sources, target=WORKSPACE_PATH, upper=str(places[2]), work=str(places[3]))
            ok, said = await self._try("cat lower upper && rm lower && echo new >new && mkdir a && mv a b", mount)
            if ok and not _changed(places[2]):
                ok, said = False, "changes did not reach the upper directory"
        except OSError as error:
            ok, said = False, str(error)
        finally:
            await asyncio.to_thread(_remove, top, top / "work" / "work")
        found = "two layers and changes above them" if ok else said
        return Check(name="overlay", ok=ok, found=found, remedy="" if ok else OVERLAY_REMEDY)

    async def _system_calls(self) -> Check:
        text = "grep -q '^Seccomp:.2$' /proc/self/status && ! unshare --user true 2>/dev/null"
        ok, said = await self._try(text)
        found = "the filter is in force" if ok else f"the filter is not in force {said}"
        return Check(name="system calls", ok=ok, found=found, remedy="" if ok else OURS)

    async def _network(self) -> Check:
        ok, said = await self._try("! grep -v -e '|' -e ' lo:' /proc/net/dev")
        return Check(name="network", ok=ok, found="closed" if ok else f"open: {said}", remedy="" if ok else OURS)

    async def _try(
        self, text: str, mount: OverlayMount | None = None, environment: dict[str, str] | None = None
    ) -> tuple[bool, str]:
        command = Command(
            argv=("/bin/sh", "-c", text),
            mounts=(mount,) if mount else (),
            environment=environment or {},
            timeout_seconds=30,
            name=f"probe-{os.getpid()}",
        )
        try:
            result = await self._run(command)
        except PerdureError as error:
            return False, error.message
        return result.exit_code == 0, result.head.decode(errors="replace").strip()


async def in_turn(*attempts: Callable[[], Awaitable[Check]]) -> tuple[Check, ...]:
    found: list[Check] = []
    for attempt in attempts:
        found.append(await attempt())
        if not found[-1].ok:
            break
    return tuple(found)


def _changed(upper: Path) -> bool:
    hidden = (upper / "lower").lstat()
    whiteout = stat.S_ISCHR(hidden.st_mode) and hidden.st_rdev == 0
    return whiteout and (upper / "new").is_file() and (upper / "b").is_dir()


def _remove(top: Path, left: Path) -> None:
    """`left` is the directory of mode 000 that the kernel makes below an overlay's work directory."""
    if left.exists():
        left.chmod(0o700)
    shutil.rmtree(top)
