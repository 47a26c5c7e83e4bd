"""One control group for each command, where this host lets us make them: version 1 as root, version 2 delegated."""

import asyncio
import contextlib
import hashlib
import os
import signal
from dataclasses import dataclass
from pathlib import Path

from domain.sandbox import SandboxLimits

CONTROLLERS = ("memory", "pids", "cpu")
PERIOD_MICROSECONDS = 100_000
REMOVE_ATTEMPTS, REMOVE_WAIT_SECONDS = 50, 0.02


@dataclass(frozen=True)
class Controller:
    """`parent` holds the directories of the commands."""

    name: str
    parent: Path
    unified: bool
    own: Path
    """Where this process is."""

    def limit(self, group: Path, limits: SandboxLimits) -> None:
        needed, *others = self._files(limits)
        (group / needed[0]).write_text(str(needed[1]))
        for name, value in others:
            if (group / name).exists():  # swap is not accounted on every kernel
                (group / name).write_text(str(value))

    def _files(self, limits: SandboxLimits) -> tuple[tuple[str, int | str], ...]:
        quota = max(int(limits.cpus * PERIOD_MICROSECONDS), 1000)
        if self.name == "pids":
            return (("pids.max", limits.processes),)
        if self.unified and self.name == "memory":
            return (("memory.max", limits.memory_bytes), ("memory.swap.max", 0), ("memory.oom.group", 1))
        if self.unified:
            return (("cpu.max", f"{quota} {PERIOD_MICROSECONDS}"),)
        if self.name == "memory":
            names = ("memory.limit_in_bytes", "memory.memsw.limit_in_bytes")
            return tuple((name, limits.memory_bytes) for name in names)
        return (("cpu.cfs_quota_us", quota), ("cpu.cfs_period_us", PERIOD_MICROSECONDS))


class Cgroup:
    """The groups of one command, one directory for each hierarchy."""

    def __init__(self, directories: tuple[Path, ...], memory: Path | None) -> None:
        self._directories = directories
        self._memory = memory

    def join(self, pid: int) -> None:
        for directory in self._directories:
            (directory / "cgroup.procs").write_text(str(pid))

    def out_of_memory(self) -> bool:
        if self._memory is None:
            return False
        for name in ("memory.events", "memory.oom_control"):
            with contextlib.suppress(FileNotFoundError):
                words = (self._memory / name).read_text().split()
                return int(words[words.index("oom_kill") + 1]) > 0
        return False

    def kill(self) -> None:
        for directory in self._directories:
            with contextlib.suppress(OSError):
                (directory / "cgroup.kill").write_text("1")
            for pid in _pids(directory):
                with contextlib.suppress(ProcessLookupError):
                    os.kill(pid, signal.SIGKILL)

    async def remove(self) -> None:
        """Kills what is in it until it can be removed."""
        for _ in range(REMOVE_ATTEMPTS):
            left = [directory for directory in self._directories if not _remove(directory)]
            if not left:
                return
            self.kill()
            await asyncio.sleep(REMOVE_WAIT_SECONDS)


def _pids(directory: Path) -> list[int]:
    try:
        return [int(line) for line in (directory / "cgroup.procs").read_text().split()]
    except OSError:
        return []


def _remove(directory: Path) -> bool:
    try:
        directory.rmdir()
    except FileNotFoundError:
        return True
    except OSError:
        return False
    return True


class Cgroups:
    """The groups of one worker's home, `tag`: `name`s are unique among its running commands."""

    def __init__(self, tag: str, controllers: tuple[Controller, ...]) -> None:
        self._tag = tag
        self.controllers = controllers

    def bounds(self, controller: str) -> bool:
        return any(found.name == controller for found in self.controllers)

    def make(self, name: str, limits: SandboxLimits) -> Cgroup:
        directories: dict[Path, None] = {}
        memory = None
        for controller in self.controllers:
            directory = controller.parent / f"{self._tag}-{name}"
            directory.mkdir(parents=True, exist_ok=True)
            controller.limit(directory, limits)
            directories[directory] = None
            if controller.name == "memory":
                memory = directory
        return Cgroup(tuple(directories), memory)

    def wake(self) -> "asyncio.Future[None]":
        """The first move between groups after a rest waits some 10 ms for the kernel, and those that follow do not.
        So one is made in a thread while the sandbox starts: of this process, to where it is."""
        return asyncio.get_running_loop().run_in_executor(None, self._stay)

    def _stay(self) -> None:
        place = self.controllers[0]
        with contextlib.suppress(OSError):
            (place.own / "cgroup.procs").write_text(str(os.getpid()))

    def left(self, prefix: str) -> list[Cgroup]:
        """Groups whose name starts so."""
        found: dict[str, list[Path]] = {}
        for parent in {controller.parent for controller in self.controllers}:
            for directory in parent.glob("*/") if parent.is_dir() else ():
                if directory.name.startswith(f"{self._tag}-{prefix}"):
                    found.setdefault(directory.name, []).append(directory)
        return [Cgroup(tuple(directories), None) for directories in found.values()]


def find_cgroups(home: Path) -> Cgroups | None:
    """Tries to make a group for each controller; None where this host allows none of them."""
    tag = hashlib.sha256(str(home).encode()).hexdigest()[:12]
    found = []
    for name in CONTROLLERS:
        for controller in _candidates(name):
            if _works(controller):
                found.append(controller)
                break
    return Cgroups(tag, tuple(found)) if found else None


def _candidates(name: str) -> list[Controller]:
    own = dict(_own_paths())
    found: list[Controller] = []
    for mount, options in _mounts():
        unified = options is None
        if options is not None and name not in options:
            continue
        path = own.get("" if unified else name, "/").lstrip("/")
        places = dict.fromkeys((mount / path, mount))
        if unified:
            places = dict.fromkeys(place for place in places if _delegates(place, name))
        here = mount / path if (mount / path).is_dir() else mount
        found += [Controller(name, place / "perdure", unified, here) for place in places if place.is_dir()]
    return found


def _works(controller: Controller) -> bool:
    probe = controller.parent / f"probe-{os.getpid()}"
    try:
        controller.parent.mkdir(exist_ok=True)
        if controller.unified and not _delegates(controller.parent, controller.name):
            return False
        probe.mkdir(exist_ok=True)
        controller.limit(probe, SandboxLimits())
        (probe / "cgroup.procs").touch()
        probe.rmdir()
    except OSError:
        return False
    return True


def _delegates(place: Path, name: str) -> bool:
    """Version 2: makes `name` available to the groups below `place`, which may hold no process itself."""
    control = place / "cgroup.subtree_control"
    try:
        if name in control.read_text().split():
            return os.access(control, os.W_OK)
        if name not in (place / "cgroup.controllers").read_text().split():
            return False
        if _pids(place) == [os.getpid()]:  # a unit of our own, as with Delegate=yes
            leaf = place / "perdure-worker"
            leaf.mkdir(exist_ok=True)
            (leaf / "cgroup.procs").write_text(str(os.getpid()))
        control.write_text(f"+{name}")
    except OSError:
        return False
    return True


def _own_paths() -> list[tuple[str, str]]:
    """(controller, path) of this process; version 2 has the controller ""."""
    found: list[tuple[str, str]] = []
    for line in Path("/proc/self/cgroup").read_text().splitlines():
        _, names, path = line.split(":", 2)
        found += [(name, path) for name in names.split(",")]
    return found


def _mounts() -> list[tuple[Path, tuple[str, ...] | None]]:
    """(mount point, controllers); None for version 2."""
    found: list[tuple[Path, tuple[str, ...] | None]] = []
    for line in Path("/proc/self/mountinfo").read_text().splitlines():
        before, _, after = line.partition(" - ")
        kind, _, options = after.split(" ", 2)
        if kind in ("cgroup", "cgroup2"):
            found.append((Path(before.split()[4]), tuple(options.split(",")) if kind == "cgroup" else None))
    return found
