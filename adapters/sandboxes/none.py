"""No sandbox: commands run on the host, as the agent's user where the worker is root. Only when asked for by name."""

import asyncio
import contextlib
import json
import logging
import os
import signal
from collections.abc import Sequence
from pathlib import Path, PurePosixPath

from adapters.sandboxes.binary import require_reach
from adapters.sandboxes.cgroups import Cgroup, Cgroups, find_cgroups
from adapters.sandboxes.child import Child, Start, gate
from adapters.sandboxes.conduct import Show, conduct, missing_directory, not_startable
from adapters.sandboxes.limits import limit_text
from adapters.sandboxes.names import Names, plain
from adapters.sandboxes.proc import start_of, tree_of
from adapters.sandboxes.toolchain import SYSTEM_PATH, Toolchain
from domain.errors import SandboxRefused, SandboxUnavailable
from domain.sandbox import WORKSPACE_PATH, Check, Command, CommandResult, Enforcement, OverlayMount, SandboxLimits

KILL_ROUNDS = 100

log = logging.getLogger(__name__)


class HostTree:
    """One command's processes on the host: a control group where there are any, else its session and descendants."""

    def __init__(self, limits: SandboxLimits, name: str, cgroups: Cgroups | None, mark: Path) -> None:
        self.out_of_memory = False
        self.child: Child | None = None
        self._limits = limits
        self._name = name
        self._cgroups = cgroups
        self._cgroup: Cgroup | None = None
        self._mark = mark

    async def close_in(self) -> None:
        if self.child is None:
            return
        try:
            self._mark.write_text(json.dumps([self.child.pid, start_of(self.child.pid)]))
            if self._cgroups is not None:
                self._cgroup = self._cgroups.make(self._name, self._limits)
                self._cgroup.join(self.child.pid)
        except OSError as error:
            raise SandboxUnavailable(f"The command could not be bounded: {error}") from error

    async def destroy(self) -> None:
        if self.child is not None:
            await kill_tree(self.child.pid)
        if self._cgroup is not None:
            self.out_of_memory = self._cgroup.out_of_memory()
            await self._cgroup.remove()
        self._mark.unlink(missing_ok=True)


async def kill_tree(pid: int) -> None:
    """`pid`, its session and its descendants, until none is alive; a zombie is as good as gone."""
    for _ in range(KILL_ROUNDS):
        alive = tree_of(pid)
        for other in alive:
            with contextlib.suppress(ProcessLookupError):
                os.kill(other, signal.SIGKILL)
        if not alive:
            return
        await asyncio.sleep(0.005)


class NoSandbox:
    """Contains nothing. Overlays, and so the workspaces of runs, are refused."""

    def __init__(self, worker_home: Path, agent_uid: int | None = None, toolchain_paths: Sequence[str] = ()) -> None:
        self.agent_uid = agent_uid
        self.worker_home = worker_home.absolute()
        self._marks = self.worker_home / "sandbox" / "host"
        self._toolchain_paths = tuple(toolchain_paths)
        self._toolchain: Toolchain | None = None
        self._names = Names(self.worker_home)
        self._cgroups = find_cgroups(self.worker_home)

    async def prepare(self) -> None:
        log.warning("PERDURE_SANDBOX=none: commands of agents run on this host and can read and change it")
        self._marks.mkdir(mode=0o711, parents=True, exist_ok=True)
        if self.agent_uid is not None:
            require_reach(self.worker_home)
        self._toolchain = await Toolchain.make(self.worker_home, self._toolchain_paths)

    @property
    def environment(self) -> dict[str, str]:
        """The default for commands; nothing is mounted, so the toolchain is where it lies on the host."""
        programs = self._toolchain.on_host() if self._toolchain else []
        return Toolchain.environment(self._toolchain_paths) | {"PATH": ":".join([*programs, SYSTEM_PATH])}

    async def run(self, command: Command, on_output: Show | None = None) -> CommandResult:
        if self._toolchain is None:
            await self.prepare()
        cwd = self._on_host(command)
        with self._names.running(command.name) as running:
            mark = self._marks / running.name
            tree = HostTree(command.limits, running.name, self._cgroups, mark)
            text = gate(command, limit_text(command.limits, memory=self._cgroups is None))
            argv = ["/bin/sh", "-c", text, running.marker, *command.argv]
            try:
                start = Start(argv, self.agent_uid, cwd=str(cwd), environment=command.environment)
                tree.child = Child(start, command)
            except (NotADirectoryError, FileNotFoundError, PermissionError):
                return missing_directory(command)
            except (ValueError, OSError) as error:
                raise not_startable(error) from error
            return await conduct(tree.child, tree, command, on_output, running.stopped)

    def _on_host(self, command: Command) -> Path:
        """The directory that `cwd` names by way of the mounts; nothing else of a mount can be had here."""
        best: tuple[int, Path] | None = None
        for mount in command.mounts:
            if isinstance(mount, OverlayMount):
                raise SandboxRefused(
                    f"PERDURE_SANDBOX=none has no overlays, and {mount.target} is one.",
                    "Use PERDURE_SANDBOX=bubblewrap on Linux 5.11 or newer with user namespaces; `perdure doctor`.",
                )
            target = PurePosixPath(mount.target)
            if PurePosixPath(command.cwd).is_relative_to(target) and (best is None or len(target.parts) > best[0]):
                best = len(target.parts), Path(mount.source) / PurePosixPath(command.cwd).relative_to(target)
        if best is None and command.cwd == WORKSPACE_PATH:
            return Path("/")
        return best[1] if best else Path(command.cwd)

    async def kill(self, name_prefix: str) -> None:
        await self._names.stop(name_prefix)
        for mark in sorted(self._marks.glob(f"{plain(name_prefix)}*")):
            with contextlib.suppress(OSError, ValueError):
                pid, start = json.loads(mark.read_text())
                if start is not None and start_of(pid) == start:
                    await kill_tree(pid)
                mark.unlink()
        for group in self._cgroups.left(plain(name_prefix)) if self._cgroups else ():
            await group.remove()

    def enforcement(self) -> Enforcement:
        bounded = {controller.name for controller in self._cgroups.controllers} if self._cgroups else set()
        whose = "the worker's own" if self.agent_uid is None else f"those of user {self.agent_uid}"
        return Enforcement(
            sandbox="none",
            memory="cgroup" if "memory" in bounded else "per process (RLIMIT_DATA)",
            processes="cgroup" if "pids" in bounded else "per user (RLIMIT_NPROC)",
            cpu="cgroup" if "cpu" in bounded else "none",
            network="open",
            notes=("NOT CONTAINED: commands run on the host", f"rights: {whose}", "no overlays"),
        )

    async def doctor(self) -> Sequence[Check]:
        remedy = "Set PERDURE_SANDBOX=bubblewrap, unless every command of every agent may do what this user may."
        return (Check(name="sandbox", ok=True, found="none: commands are not contained", remedy=remedy),)
