"""What a container is made of: its walls, and what leads through them."""

import os
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path, PurePosixPath

import docker
from docker.types import LogConfig, Mount, Ulimit

from adapters.sandboxes.limits import OPEN_FILES
from adapters.sandboxes.rootfs import LARGE_TMPFS, SMALL_TMPFS
from adapters.sandboxes.seccomp import docker_profile
from domain.errors import SandboxRefused, SandboxUnavailable
from domain.sandbox import HOME_PATH, WORKSPACE_PATH, Command, OverlayMount, ReadOnlyMount, SandboxLimits

KEEPER = ("/bin/sh", "-c", "exec cat >/dev/null")
"""Lives as long as the worker holds the other end of its input."""
KEEPERS_PROCESSES = 2
"""Docker's init, and that."""
ROOM = 6
"""Processes of our own beside the command's: these two, and those that start it and end it."""
INODES = 200_000

Place = tuple[str, str, bool]
"""(source, target, read-only)"""


@dataclass(frozen=True)
class Users:
    """`user:group` of the agent, and of the keeper, which the agent must not be able to kill."""

    agent: str
    keeper: str

    @classmethod
    def of(cls, agent_uid: int | None) -> "Users":
        uid, gid = (agent_uid, agent_uid) if agent_uid is not None else (os.geteuid(), os.getegid())
        keeper = 64_999 if uid != 64_999 else 64_998
        return cls(f"{uid}:{gid}", f"{keeper}:{keeper}")


@dataclass(frozen=True)
class Plan:
    """Commands with equal plans may use one container after the other. `identities` are of the directories behind
    the mounts: one that was made anew under its old path is another."""

    image: str
    run_id: str
    places: tuple[Place, ...]
    identities: tuple[tuple[int, int], ...]
    bounds: tuple[int, int, int, int]
    """Bytes of memory, processes, billionths of a processor, bytes of a file."""
    runtime: str | None
    warm: bool
    """Whether it is kept for the run's next command."""

    @classmethod
    def of(cls, command: Command, image: str, toolchain: Sequence[tuple[str, str]], runtime: str | None) -> "Plan":
        """Raises SandboxRefused for an overlay, and SandboxUnavailable where a source is gone."""
        places = [(source, target, True) for source, target in toolchain]
        for mount in command.mounts:
            if isinstance(mount, OverlayMount):
                raise SandboxRefused(
                    f"Docker cannot mount the overlay on {mount.target}.",
                    "Workspaces must be of the kind scan where PERDURE_SANDBOX is docker.",
                )
            places.append((mount.source, mount.target, isinstance(mount, ReadOnlyMount)))
        return cls(
            image=image,
            run_id=command.run_id,
            places=tuple(places),
            identities=tuple(_identity(source) for source, _, _ in places),
            bounds=_bounds(command.limits),
            runtime=runtime,
            # A proxy's directory is made anew for each command.
            warm=bool(command.run_id) and command.proxy is None,
        )

    @property
    def memory_places(self) -> tuple[str, ...]:
        """Where a command may write and nothing is mounted: memory of the container's own."""
        targets = [PurePosixPath(target) for _, target, _ in self.places]
        own = ("/tmp", HOME_PATH, WORKSPACE_PATH)  # noqa: S108  as commands see it
        return tuple(path for path in own if not any(PurePosixPath(path).is_relative_to(target) for target in targets))

    @property
    def writable(self) -> tuple[str, ...]:
        """What the next command of the run must find empty."""
        return ("/dev/shm", *self.memory_places)  # noqa: S108

    def host_config(self, client: docker.APIClient, users: Users) -> dict[str, object]:
        memory, processes, cpus, file_bytes = self.bounds
        config = client.create_host_config(
            network_mode="none",
            read_only=True,
            cap_drop=["ALL"],
            security_opt=["no-new-privileges", f"seccomp={docker_profile()}"],
            ipc_mode="private",
            cgroupns="private",
            # Where the engine maps users, the agent's would not be the one that owns the workspace.
            userns_mode="host",
            init=True,
            auto_remove=True,
            runtime=self.runtime,
            log_config=LogConfig(type="none"),
            mem_limit=memory,
            memswap_limit=memory,
            nano_cpus=min(cpus, (os.cpu_count() or 1) * 10**9),
            pids_limit=processes + ROOM,
            shm_size=SMALL_TMPFS,
            tmpfs=dict(self._tmpfs(users)),
            mounts=[Mount(target, source, type="bind", read_only=closed) for source, target, closed in self.places],
            ulimits=[
                Ulimit(name=name, soft=value, hard=value)
                for name, value in (("core", 0), ("nofile", OPEN_FILES), ("fsize", file_bytes))
            ],
        )
        return {str(name): value for name, value in config.items()}

    def _tmpfs(self, users: Users) -> Iterator[tuple[str, str]]:
        uid, _, gid = users.agent.partition(":")
        yield "/run", f"rw,nosuid,nodev,noexec,mode=755,size={SMALL_TMPFS},nr_inodes={INODES}"
        for path in self.memory_places:
            mode = "mode=1777" if path == "/tmp" else f"mode=755,uid={uid},gid={gid}"  # noqa: S108
            yield path, f"rw,exec,nosuid,nodev,{mode},size={LARGE_TMPFS},nr_inodes={INODES}"


def _bounds(limits: SandboxLimits) -> tuple[int, int, int, int]:
    return limits.memory_bytes, limits.processes, max(int(limits.cpus * 10**9), 10**7), limits.file_bytes


def _identity(source: str) -> tuple[int, int]:
    try:
        found = Path(source).stat()
    except OSError as error:
        raise SandboxUnavailable(f"The source of a mount is gone: {error}") from error
    return found.st_dev, found.st_ino
