"""One control group for each command, where this host lets us make them: version 1 as root, version 2 delegated."""

import asyncio
import contextlib
import os
import signal
from collections.abc import Generator
from dataclasses import dataclass
from pathlib import Path

from domain.errors import SandboxUnavailable
from domain.sandbox import SandboxLimits

PERIOD_MICROSECONDS = 100_000
OWN_PROCESSES = 2
"""bwrap outside and inside, which are in a command's group of version 1."""
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
        for number, (name, value) in enumerate(self.files(limits)):
            try:
                _put(f"{group}/{name}", value)
            except FileNotFoundError:  # swap is not accounted on every kernel
                if number == 0:
                    raise

    def files(self, limits: SandboxLimits) -> tuple[tuple[str, int | str], ...]:
        """What is written where; the first is there wherever the controller is."""
        quota = max(int(limits.cpus * PERIOD_MICROSECONDS), 1000)
        memory = limits.memory_bytes
        if self.name == "memory" and self.unified:
            return (("memory.max", memory), ("memory.swap.max", 0), ("memory.oom.group", 1))
        if self.name == "memory":
            return (("memory.limit_in_bytes", memory), ("memory.memsw.limit_in_bytes", memory))
        if self.name == "cpu" and self.unified:
            return (("cpu.max", f"{quota} {PERIOD_MICROSECONDS}"),)
        if self.name == "cpu":
            return (("cpu.cfs_quota_us", quota),)  # the period is this one where nobody wrote another
        processes = limits.processes + (0 if self.unified else OWN_PROCESSES)
        return (("pids.max", processes),) if self.name == "pids" else ()


class Cgroup:
    """The groups of one command, one directory for each hierarchy. Into those of version 1 it is born (`entered`);
    into that of version 2 it moves (`join`), as threads cannot be there on their own."""

    def __init__(
        self, directories: tuple[Path, ...], memory: Path | None = None, homes: dict[Path, Path] | None = None
    ) -> None:
        """`homes`: where this process is in the hierarchies of version 1, by the directory of the group."""
        self.directories = directories
        self._memory = memory
        self._homes = homes or {}
        self.joins = tuple(directory for directory in directories if directory not in self._homes)

    @contextlib.contextmanager
    def entered(self) -> Generator[None]:
        """What this thread starts meanwhile is born in the group. A thread that moves itself waits for nobody, where
        moving another process costs 10 ms and leaves a moment in which it is in no group."""
        try:
            for directory in self._homes:
                _put(f"{directory}/tasks", 0)
            yield
        finally:
            for home in self._homes.values():
                _put(f"{home}/tasks", 0)

    def join(self, pid: int) -> None:
        for directory in self.joins:
            (directory / "cgroup.procs").write_text(str(pid))

    def out_of_memory(self) -> bool:
        if self._memory is None:
            return False
        name = "memory.oom_control" if self._memory in self._homes else "memory.events"
        with contextlib.suppress(FileNotFoundError):
            words = (self._memory / name).read_text().split()
            return int(words[words.index("oom_kill") + 1]) > 0
        return False

    def kill(self) -> None:
        for directory in self.directories:
            with contextlib.suppress(OSError):
                (directory / "cgroup.kill").write_text("1")
            for pid in pids_in(directory):
                with contextlib.suppress(ProcessLookupError):
                    if not _visits(pid, directory):
                        os.kill(pid, signal.SIGKILL)

    async def remove(self) -> None:
        """Kills what is in it until it can be removed."""
        for _ in range(REMOVE_ATTEMPTS):
            left = [directory for directory in self.directories if not _remove(directory)]
            if not left:
                return
            self.kill()
            await asyncio.sleep(REMOVE_WAIT_SECONDS)


def _put(path: str, value: int | str) -> None:
    """Three system calls, as some ten of these are made for each command."""
    fd = os.open(path, os.O_WRONLY | os.O_CLOEXEC)
    try:
        os.write(fd, str(value).encode())
    finally:
        os.close(fd)


def pids_in(directory: Path) -> list[int]:
    try:
        return [int(line) for line in (directory / "cgroup.procs").read_text().split()]
    except OSError:
        return []


def _visits(pid: int, directory: Path) -> bool:
    """Whether only some thread of it is in the group: a worker that starts a command."""
    if pid == os.getpid():
        return True
    for path in Path(f"/proc/{pid}/task").glob("*/cgroup"):
        with contextlib.suppress(OSError):
            if f"/{directory.name}\n" not in path.read_text():
                return True
    return False


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
        homes: dict[Path, Path] = {}
        memory = None
        for controller in self.controllers:
            directory = controller.parent / f"{self._tag}-{name}"
            directory.mkdir(parents=True, exist_ok=True)
            controller.limit(directory, limits)
            directories[directory] = None
            if not controller.unified:
                homes[directory] = controller.own
            if controller.name == "memory":
                memory = directory
        return Cgroup(tuple(directories), memory, homes)

    def wake(self) -> "asyncio.Future[None]":
        """The first move between groups after a rest waits some 10 ms for the kernel, and those that follow do not.
        So one is made in a thread while the sandbox starts: of this process, to where it is."""
        return asyncio.get_running_loop().run_in_executor(None, self._stay)

    def _stay(self) -> None:
        with contextlib.suppress(OSError):
            (self.controllers[0].own / "cgroup.procs").write_text(str(os.getpid()))

    def left(self, prefix: str) -> list[Cgroup]:
        """Groups whose name starts so."""
        found: dict[str, list[Path]] = {}
        for parent in {controller.parent for controller in self.controllers}:
            for directory in parent.glob("*/") if parent.is_dir() else ():
                if directory.name.startswith(f"{self._tag}-{prefix}"):
                    found.setdefault(directory.name, []).append(directory)
        return [Cgroup(tuple(directories)) for directories in found.values()]


def make_group(cgroups: Cgroups | None, name: str, limits: SandboxLimits) -> Cgroup | None:
    """SandboxUnavailable where this host has groups, and refuses this one."""
    try:
        return cgroups.make(name, limits) if cgroups is not None else None
    except OSError as error:
        raise SandboxUnavailable(f"The command could not be bounded: {error}") from error
