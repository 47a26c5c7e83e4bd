"""No sandbox: commands see and change the host, as the agent's user where the worker is root. Only when asked for by
name. bwrap mounts the workspace for them, and puts no walls around them."""

import asyncio
import contextlib
import logging
import os
import signal
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import partial
from pathlib import Path

from adapters.sandboxes.binary import find_bwrap, require_reach
from adapters.sandboxes.cgroups import Cgroup, make_group
from adapters.sandboxes.child import Child, Start, deadline, gate
from adapters.sandboxes.conduct import Show, conduct, not_startable
from adapters.sandboxes.delegation import find_cgroups
from adapters.sandboxes.host_root import SIGNS, host_arguments
from adapters.sandboxes.limits import limit_text
from adapters.sandboxes.names import Names, Running, plain
from adapters.sandboxes.proc import all_pids, children_of, tree_of
from adapters.sandboxes.rootfs import mount_arguments
from adapters.sandboxes.seccomp import memory_file
from adapters.sandboxes.toolchain import Toolchain
from adapters.sandboxes.trial import Trial, found_bwrap
from adapters.sandboxes.watch import DISK_TEXT, MEMORY_TEXT, Watch
from domain.errors import SandboxRefused, SandboxUnavailable
from domain.sandbox import TOOLCHAIN_PATH, Check, Command, CommandResult, Enforcement

KILL_ROUNDS = 400
WARNING = "Set PERDURE_SANDBOX=bubblewrap, unless every command of every agent may do what this user may."

log = logging.getLogger(__name__)


class HostTree:
    """One command's processes on the host: those in its mounts, its session, their descendants, its control group."""

    def __init__(self, child: Child, running: Running, cgroup: Cgroup | None) -> None:
        self.out_of_memory = False
        self._child = child
        self._running = running
        self._cgroup = cgroup

    async def close_in(self) -> None:
        if self._cgroup is None or not self._cgroup.joins:
            return
        try:
            (inner,) = children_of(self._child.pid)
            self._cgroup.join(inner)
        except (OSError, ValueError) as error:
            raise SandboxUnavailable(f"The command could not be bounded: {error}") from error

    def pids(self) -> list[int]:
        return tree_of(self._child.pid)

    async def destroy(self) -> None:
        pid, marker = self._child.pid, self._running.marker
        await kill_all(lambda: {*tree_of(pid), *inhabitants(marker)})
        if self._cgroup is not None:
            self.out_of_memory = self._cgroup.out_of_memory()
            await self._cgroup.remove()


def inhabitants(marker: str) -> list[int]:
    """Living processes of commands whose markers start so, whatever session and parent they have by now."""
    return [pid for pid in all_pids() if any(sign.startswith(marker) for sign in _signs(pid))]


def _signs(pid: int) -> list[str]:
    with contextlib.suppress(OSError):
        return [path.name for path in Path(f"/proc/{pid}/root{SIGNS}").iterdir()]
    return []


async def kill_all(find: Callable[[], set[int] | list[int]]) -> None:
    """Kills what `find` finds until it finds nothing alive; a zombie is as good as gone."""
    for _ in range(KILL_ROUNDS):
        alive = find()
        for pid in sorted(alive):  # a shell that outlives its child by a moment prints that it was killed
            with contextlib.suppress(ProcessLookupError):
                os.kill(pid, signal.SIGKILL)
        if not alive:
            return
        await asyncio.sleep(0.005)


@dataclass(frozen=True)
class HostGround:
    """What is found and made once for this process."""

    bwrap: Path
    toolchain: tuple[str, ...]


class NoSandbox:
    """Contains nothing; the mounts of a command are where the command expects them."""

    def __init__(self, worker_home: Path, agent_uid: int | None = None, toolchain_paths: Sequence[str] = ()) -> None:
        self.agent_uid = agent_uid
        self.worker_home = worker_home.absolute()
        self._toolchain_paths = tuple(toolchain_paths)
        self._names = Names(self.worker_home)
        self._cgroups = find_cgroups(self.worker_home)
        self._ground: HostGround | None = None
        self._preparing = asyncio.Lock()

    async def prepare(self) -> None:
        """Tries to mount what commands need. Raises SandboxRefused where this host lets nobody do that."""
        async with self._preparing:
            if self._ground is None:
                log.warning("PERDURE_SANDBOX=none: commands of agents run on this host and can read and change it")
                ground = await self._make_ground()
                for check in await self._trial(ground).mounting():
                    if not check.ok:
                        raise SandboxRefused(f"{check.name}: {check.found}", check.remedy)
                self._ground = ground

    async def _make_ground(self) -> HostGround:
        home = self.worker_home / "sandbox"
        home.mkdir(mode=0o711, parents=True, exist_ok=True)
        if self.agent_uid is not None:
            require_reach(home)
        toolchain = await Toolchain.make(self.worker_home, self._toolchain_paths)
        # Directories that the operator names are seen where they are, as everything else is.
        arguments = () if self._toolchain_paths else toolchain.arguments()
        return HostGround(find_bwrap(home, self.agent_uid), arguments)

    def _trial(self, ground: HostGround) -> Trial:
        return Trial(self.worker_home, self.agent_uid, partial(self._run_on, ground))

    @property
    def environment(self) -> dict[str, str]:
        """The default for commands, with the toolchain first on PATH."""
        return Toolchain.environment(self._toolchain_paths)

    async def run(self, command: Command, on_output: Show | None = None) -> CommandResult:
        await self.prepare()
        if self._ground is None:
            raise SandboxUnavailable("The sandbox is not prepared.")
        return await self._run_on(self._ground, command, on_output)

    async def _run_on(self, ground: HostGround, command: Command, on_output: Show | None = None) -> CommandResult:
        with self._names.running(command.name) as running:
            group = make_group(self._cgroups, running.name, command.limits)
            try:
                with group.entered() if group else contextlib.nullcontext():
                    child = self._start(command, running.marker, ground)
            except BaseException:
                if group is not None:
                    await group.remove()
                raise
            tree = HostTree(child, running, group)
            bounded = self._cgroups is not None and self._cgroups.bounds("memory")
            watch = Watch.over(command.mounts, command.limits, tree.pids, memory=not bounded)
            return await conduct(child, tree, command, on_output, running.stopped, watch)

    def _start(self, command: Command, marker: str, ground: HostGround) -> Child:
        variables = [word for item in command.environment.items() for word in ("--setenv", *item)]
        made = (TOOLCHAIN_PATH,) if ground.toolchain else ()
        options = (
            *("--die-with-parent", *host_arguments(command.mounts, made, marker)),
            *(*ground.toolchain, *mount_arguments(command.mounts), "--remount-ro", "/"),
            *("--chdir", command.cwd, "--clearenv", *variables),
        )
        bounded = self._cgroups is not None and self._cgroups.bounds("memory")
        text = gate(command, limit_text(command.limits, memory=not bounded), deadline(command))
        fd = memory_file("options", "".join(f"{word}\0" for word in options).encode())
        argv = ["bwrap", "--args", str(fd), "--", "/bin/sh", "-c", text, marker, *command.argv]
        try:
            return Child(Start(argv, self.agent_uid, path=str(ground.bwrap), pass_fds=[fd]), command)
        except (ValueError, OSError) as error:
            raise not_startable(error) from error
        finally:
            os.close(fd)

    async def kill(self, name_prefix: str) -> None:
        await self._names.stop(name_prefix)
        await kill_all(partial(inhabitants, self._names.marker(name_prefix)))
        for group in self._cgroups.left(plain(name_prefix)) if self._cgroups else ():
            await group.remove()

    async def release(self, run_id: str) -> None:
        """Nothing is kept between commands."""

    async def close(self) -> None:
        """Commands end with their calls."""

    def enforcement(self) -> Enforcement:
        bounded = {controller.name for controller in self._cgroups.controllers} if self._cgroups else set()
        whose = "the worker's own" if self.agent_uid is None else f"those of user {self.agent_uid}"
        return Enforcement(
            sandbox="none",
            memory="cgroup" if "memory" in bounded else MEMORY_TEXT,
            processes="cgroup" if "pids" in bounded else "RLIMIT_NPROC in the user namespace",
            cpu="cgroup" if "cpu" in bounded else "none",
            disk=DISK_TEXT,
            network="open",
            notes=("NOT CONTAINED: commands run on the host", f"rights: {whose}"),
        )

    async def doctor(self) -> Sequence[Check]:
        """Works on hosts that `prepare` refuses, too."""
        loud = Check(name="sandbox", ok=True, found="none: commands are not contained", remedy=WARNING)
        try:
            ground = await self._make_ground()
        except SandboxRefused as error:
            return (loud, Check(name="mounts", ok=False, found=error.message, remedy=error.next_step))
        trial = self._trial(ground)
        found = (loud, found_bwrap(ground.bwrap), *await trial.mounting())
        if not all(check.ok for check in found):
            return found
        return (*found, await trial.toolchain(self.environment))
