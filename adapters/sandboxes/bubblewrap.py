"""Commands in Linux namespaces, by bubblewrap."""

import asyncio
import os
from collections.abc import Sequence
from contextlib import nullcontext
from dataclasses import dataclass
from functools import partial
from pathlib import Path

from adapters.sandboxes.binary import find_bwrap, require_reach
from adapters.sandboxes.cgroups import Cgroups, make_group
from adapters.sandboxes.child import Child, Start, gate
from adapters.sandboxes.conduct import Show, conduct, not_startable
from adapters.sandboxes.deadlines import Deadline, Deadlines
from adapters.sandboxes.delegation import find_cgroups
from adapters.sandboxes.limits import limit_text
from adapters.sandboxes.names import Names, plain
from adapters.sandboxes.namespaces import Namespaces
from adapters.sandboxes.proxied import with_proxy
from adapters.sandboxes.rootfs import AGENT_ID, HOST, make_etc, missing_in, mount_arguments, root_arguments
from adapters.sandboxes.seccomp import load_filter, memory_file
from adapters.sandboxes.toolchain import Toolchain
from adapters.sandboxes.trial import Trial, control_groups, found_bwrap, found_root
from adapters.sandboxes.watch import DISK_TEXT, MEMORY_TEXT, Watch
from domain.errors import SandboxRefused, SandboxUnavailable
from domain.sandbox import Check, Command, CommandResult, Enforcement

NAMESPACES = (
    "--die-with-parent --new-session --unshare-user --disable-userns --unshare-pid --unshare-ipc --unshare-uts"
    f" --unshare-net --unshare-cgroup-try --uid {AGENT_ID} --gid {AGENT_ID} --hostname sandbox --cap-drop ALL"
).split()


@dataclass(frozen=True)
class Ground:
    """What is found and made once for this process."""

    bwrap: Path
    arguments: tuple[str, ...]
    system_calls: bytes
    cgroups: Cgroups | None


class BubblewrapSandbox:
    """`agent_uid` is needed where this process is root, and only there. `root` names another root filesystem."""

    def __init__(
        self,
        worker_home: Path,
        agent_uid: int | None = None,
        toolchain_paths: Sequence[str] = (),
        root: Path = HOST,
    ) -> None:
        self.agent_uid = agent_uid
        self.worker_home = worker_home.absolute()
        self._root = root.absolute()
        self._toolchain_paths = tuple(toolchain_paths)
        self._names = Names(self.worker_home)
        self._ground: Ground | None = None
        self._preparing = asyncio.Lock()
        self._deadlines = Deadlines()

    async def prepare(self) -> None:
        """Makes what every command needs and tries one. Raises SandboxRefused where this host cannot contain it."""
        async with self._preparing:
            if self._ground is None:
                ground = await self._make_ground()
                for check in await Trial(self.worker_home, self.agent_uid, partial(self._run_on, ground)).containment():
                    if not check.ok:
                        raise SandboxRefused(f"{check.name}: {check.found}", check.remedy)
                self._ground = ground

    async def _make_ground(self) -> Ground:
        if (os.geteuid() == 0) != (self.agent_uid is not None):
            raise SandboxRefused(
                "Commands need a user of their own where the worker is root, and cannot have one elsewhere.",
                "Set PERDURE_AGENT_UID to a free user id where the worker is root; else leave it unset.",
            )
        home = self.worker_home / "sandbox"
        home.mkdir(mode=0o711, parents=True, exist_ok=True)
        if self.agent_uid is not None:
            require_reach(home)
        self._require_root()
        toolchain = await Toolchain.make(self.worker_home, self._toolchain_paths)
        etc = make_etc(self._root, home)
        return Ground(
            bwrap=find_bwrap(home, self.agent_uid),
            arguments=(*NAMESPACES, *root_arguments(self._root, etc), *toolchain.arguments()),
            system_calls=load_filter(),
            cgroups=find_cgroups(self.worker_home),
        )

    def _require_root(self) -> None:
        if missing := missing_in(self._root):
            raise SandboxRefused(
                f"The root filesystem {self._root} has no {missing}.",
                "PERDURE_SANDBOX_ROOT is the directory of an unpacked image with a shell and GNU's tools.",
            )
        if self.agent_uid is not None:
            require_reach(self._root)

    @property
    def environment(self) -> dict[str, str]:
        """The default for commands, with the toolchain first on PATH."""
        return Toolchain.environment(self._toolchain_paths)

    async def run(self, command: Command, on_output: Show | None = None) -> CommandResult:
        await self.prepare()
        if self._ground is None:
            raise SandboxUnavailable("The sandbox is not prepared.")
        return await self._run_on(self._ground, with_proxy(command), on_output)

    async def _run_on(self, ground: Ground, command: Command, on_output: Show | None = None) -> CommandResult:
        with self._names.running(command.name) as running:
            group = make_group(ground.cgroups, running.name, command.limits)
            try:
                with group.entered() if group else nullcontext():
                    child = self._start(command, running.marker, ground)
            except BaseException:
                if group is not None:
                    await group.remove()
                raise
            awake = ground.cgroups.wake() if ground.cgroups and group and group.joins else None
            deadline = Deadline(self._deadlines, child.pid, command.timeout_seconds)
            cage = Namespaces(child, running, group, awake, deadline)
            bounded = ground.cgroups is not None and ground.cgroups.bounds("memory")
            watch = Watch.over(command.mounts, command.limits, cage.pids, memory=not bounded)
            return await conduct(child, cage, command, on_output, running.stopped, watch)

    def _start(self, command: Command, marker: str, ground: Ground) -> Child:
        variables = [word for item in command.environment.items() for word in ("--setenv", *item)]
        mounts = mount_arguments(command.mounts)
        seccomp = memory_file("seccomp", ground.system_calls)
        options = (
            *("--seccomp", str(seccomp)),
            *(*ground.arguments, *mounts, "--remount-ro", "/"),
            *("--chdir", command.cwd, "--clearenv", *variables),
        )
        # In a file, not in the arguments: the first process's can be read inside, and tell of the host.
        fds = [seccomp, memory_file("options", "".join(f"{word}\0" for word in options).encode())]
        bounded = ground.cgroups is not None and ground.cgroups.bounds("memory")
        text = gate(command, limit_text(command.limits, memory=not bounded), "")
        argv = ["bwrap", "--args", str(fds[1]), "--", "/bin/sh", "-c", text, marker]
        try:
            start = Start([*argv, *command.argv], self.agent_uid, path=str(ground.bwrap), pass_fds=fds)
            return Child(start, command)
        except (ValueError, OSError) as error:
            raise not_startable(error) from error
        finally:
            for fd in fds:
                os.close(fd)

    async def kill(self, name_prefix: str) -> None:
        await self._names.stop(name_prefix)
        cgroups = self._ground.cgroups if self._ground else find_cgroups(self.worker_home)
        for group in cgroups.left(plain(name_prefix)) if cgroups else ():
            await group.remove()

    async def release(self, run_id: str) -> None:
        """Nothing is kept between commands."""

    async def close(self) -> None:
        """Commands end with their calls."""
        self._deadlines.close()

    def enforcement(self) -> Enforcement:
        cgroups = self._ground.cgroups if self._ground else find_cgroups(self.worker_home)
        return Enforcement(
            sandbox="bubblewrap",
            memory=_by(cgroups, "memory", MEMORY_TEXT),
            processes=_by(cgroups, "pids", "RLIMIT_NPROC in the user namespace"),
            cpu=_by(cgroups, "cpu", "none"),
            disk=DISK_TEXT,
            network="closed",
            notes=(f"commands run as user {self.agent_uid if self.agent_uid is not None else os.geteuid()}",),
        )

    async def doctor(self) -> Sequence[Check]:
        """Works on hosts that `prepare` refuses, too."""
        try:
            ground = await self._make_ground()
        except SandboxRefused as error:
            return (Check(name="sandbox", ok=False, found=error.message, remedy=error.next_step),)
        trial = Trial(self.worker_home, self.agent_uid, partial(self._run_on, ground))
        found = (found_bwrap(ground.bwrap), found_root(self._root), *await trial.containment())
        if not all(check.ok for check in found):
            return found
        return (*found, control_groups(self.enforcement()), await trial.toolchain(self.environment))


def _by(cgroups: Cgroups | None, controller: str, otherwise: str) -> str:
    return "cgroup" if cgroups is not None and cgroups.bounds(controller) else otherwise
