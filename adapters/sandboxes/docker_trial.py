"""Tries a container for real, and says what to do about what is missing."""

from pathlib import Path
from typing import NamedTuple

import docker

from adapters.sandboxes.docker_engine import NEEDED, Engine, unknown_runtime
from adapters.sandboxes.trial import Run, Trial, in_turn
from domain.errors import SandboxUnavailable
from domain.sandbox import TOOLCHAIN_PATH, Check, Command, CommandResult, Enforcement

TRY_TOOLCHAIN = f"{TOOLCHAIN_PATH}/bin/python3 -c 'import json, ssl, sqlite3' && {TOOLCHAIN_PATH}/bin/pytest --version"
NO_IMAGE = "Set PERDURE_DOCKER_IMAGE, and pull or build that image first."
TRIAL = "trial-of-image"
"""The run that its commands belong to, so that one container serves them all."""


class Facts(NamedTuple):
    """Of the engine, as it tells."""

    version: str
    cgroups: str
    runtime: str
    memory: bool
    swap: bool
    processes: bool
    cpu: bool

    def lines(self) -> tuple[str, ...]:
        swap = () if self.swap else ("swap is not bounded: the kernel does not count it",)
        return (f"Docker {self.version}, runtime {self.runtime}, control groups {self.cgroups}", *swap)

    def enforcement(self, disk: str, user: str, image: str | None) -> Enforcement:
        return Enforcement(
            sandbox="docker",
            memory="cgroup" if self.memory else "none",
            processes="cgroup" if self.processes else "none",
            cpu="cgroup" if self.cpu else "none",
            disk=disk,
            network="closed",
            notes=(*self.lines(), f"image {image or 'by rule only'}", f"commands run as user {user}"),
        )


async def learn(engine: Engine, runtime: str | None) -> Facts:
    def ask(client: docker.APIClient) -> Facts:
        told = client.info()
        # A name with dots is of a shim that the engine need not know before.
        if runtime and "." not in runtime and runtime not in told["Runtimes"]:
            raise unknown_runtime(f"{runtime} is none of {', '.join(sorted(told['Runtimes']))}")
        return Facts(
            version=str(told["ServerVersion"]),
            cgroups=f"{told.get('CgroupVersion', '1')} ({told['CgroupDriver']})",
            runtime=runtime or str(told["DefaultRuntime"]),
            memory=bool(told["MemoryLimit"]),
            swap=bool(told["SwapLimit"]),
            processes=bool(told.get("PidsLimit")),
            cpu=bool(told["CpuCfsQuota"]),
        )

    return await engine.ask(ask)


class DockerTrial(Trial):
    """`filtered`: whether the runtime leaves system calls to the host's kernel, and to our filter before it."""

    def __init__(self, worker_home: Path, run: Run, *, filtered: bool) -> None:
        super().__init__(worker_home, None, self._tried)
        self._filtered = filtered
        self._really = run
        self.unavailable: SandboxUnavailable | None = None
        """The world's failure, which says nothing about the image."""

    async def _tried(self, command: Command) -> CommandResult:
        try:
            return await self._really(command.model_copy(update={"run_id": TRIAL}))
        except SandboxUnavailable as error:
            self.unavailable = error
            raise

    async def walls(self) -> tuple[Check, ...]:
        calls = (self._system_calls,) if self._filtered else ()
        return await in_turn(self._starts, *calls, self._network)

    async def _starts(self) -> Check:
        ok, said = await self._try("touch /tmp/there && ! touch /usr/there 2>/dev/null")
        remedy = "" if ok else NEEDED
        return Check(name="container", ok=ok, found="starts, and its root is read-only" if ok else said, remedy=remedy)

    async def fits_toolchain(self) -> bool:
        ok, _ = await self._try(TRY_TOOLCHAIN)
        return ok


def engine_check(facts: Facts) -> Check:
    whole = facts.memory and facts.processes and facts.cpu
    remedy = "" if whole else "This engine's kernel or cgroup driver lacks limits: see `docker info`."
    return Check(name="docker", ok=True, found="; ".join(facts.lines()), remedy=remedy)


def toolchain_check(image: str, *, fits: bool) -> Check:
    found = "Perdure's Python and pytest run in it" if fits else "its C library cannot run Perdure's: not mounted"
    remedy = "" if fits else "What commands need must then be in the image, or in PERDURE_TOOLCHAIN."
    return Check(name="toolchain", ok=True, found=f"{image}: {found}", remedy=remedy)
