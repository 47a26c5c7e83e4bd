"""Commands in containers of Docker: one for each run, kept warm between its commands."""

import asyncio
import os
from collections.abc import Sequence
from dataclasses import dataclass
from functools import partial
from pathlib import Path

import docker

from adapters.sandboxes.conduct import Show, conduct
from adapters.sandboxes.docker_cage import ContainerCage
from adapters.sandboxes.docker_engine import Engine
from adapters.sandboxes.docker_exec import arguments, start_exec
from adapters.sandboxes.docker_left import kill, reap
from adapters.sandboxes.docker_owner import Owner
from adapters.sandboxes.docker_plan import Plan, Users
from adapters.sandboxes.docker_pool import IDLE_SECONDS, Pool
from adapters.sandboxes.docker_trial import NO_IMAGE, TRIAL, DockerTrial, Facts, engine_check, learn, toolchain_check
from adapters.sandboxes.names import Names, plain
from adapters.sandboxes.proxied import with_proxy
from adapters.sandboxes.toolchain import Toolchain
from adapters.sandboxes.watch import DISK_TEXT, Watch
from domain.errors import PerdureError, SandboxRefused, SandboxUnavailable
from domain.sandbox import Check, Command, CommandResult, Enforcement

REAP_SECONDS = 60.0
GVISOR = "runsc"
"""Its kernel is its own, and so is its filter of system calls."""

Places = tuple[tuple[str, str], ...]


@dataclass(frozen=True)
class Harbor:
    """What is made once for this process."""

    facts: Facts
    owner: Owner
    pool: Pool
    toolchain: Places

    def close(self) -> None:
        """Ends all of its containers."""
        self.pool.close()
        self.owner.close()


class DockerSandbox:
    """`agent_uid` is needed where this process is root, and only there; else commands have this process's user, so
    that it can read and remove what they leave. `image` is for commands that name none."""

    def __init__(
        self,
        worker_home: Path,
        agent_uid: int | None,
        image: str | None,
        runtime: str | None = None,
        docker_host: str | None = None,
        toolchain_paths: Sequence[str] = (),
        idle_seconds: float = IDLE_SECONDS,
    ) -> None:
        self.agent_uid = agent_uid
        self.worker_home = worker_home.absolute()
        self.image = image
        self.engine = Engine(docker_host)
        self._runtime = runtime
        self._toolchain_paths = tuple(toolchain_paths)
        self._idle_seconds = idle_seconds
        self._users = Users.of(agent_uid)
        self._names = Names(self.worker_home)
        self._harbor: Harbor | None = None
        self._fits: dict[str, bool] = {}
        self._preparing = asyncio.Lock()
        self._trying = asyncio.Lock()
        self._timer: asyncio.TimerHandle | None = None

    async def prepare(self) -> None:
        """Removes what dead workers left, and tries a command in the default image. Raises SandboxRefused where this
        engine cannot contain it, and SandboxUnavailable where there is none."""
        async with self._preparing:
            if self._harbor is None:
                harbor = await self._make_harbor()
                try:
                    await self.engine.ask(partial(self._reap, harbor))
                    if self.image:
                        await self._toolchain_for(harbor, self.image)
                except BaseException:
                    harbor.close()
                    raise
                self._harbor = harbor
                self._look_after(harbor)

    async def _make_harbor(self) -> Harbor:
        if (os.geteuid() == 0) != (self.agent_uid is not None):
            raise SandboxRefused(
                "Commands need a user of their own where the worker is root, and cannot have one elsewhere.",
                "Set PERDURE_AGENT_UID to a free user id where the worker is root; else leave it unset.",
            )
        facts = await learn(self.engine, self._runtime)
        toolchain = await Toolchain.make(self.worker_home, self._toolchain_paths)
        owner = Owner(self.worker_home)
        return Harbor(facts, owner, Pool(self.engine, self._users, owner, self._idle_seconds), toolchain.places)

    async def _try_image(self, harbor: Harbor, image: str) -> tuple[Check, ...]:
        """The walls with this image, and whether it can run the toolchain. Raises SandboxRefused where the engine
        has no such image."""
        await self.engine.ask(lambda client: client.inspect_image(image))
        run = partial(self._run_on, harbor, harbor.toolchain, image)
        trial = DockerTrial(self.worker_home, run, filtered=GVISOR not in harbor.facts.runtime)
        try:
            found = await trial.walls()
            fits = await trial.fits_toolchain()
        finally:
            harbor.pool.release(TRIAL.__eq__)
        if trial.unavailable is not None:
            raise trial.unavailable
        if all(check.ok for check in found):
            self._fits[image] = fits
        return found

    def _look_after(self, harbor: Harbor) -> None:
        """Now and then, for as long as the loop lives."""
        harbor.pool.expire()
        look = partial(self._reap, harbor)
        self.engine.later(partial(self.engine.answer, look))
        pause = min(REAP_SECONDS, self._idle_seconds)
        self._timer = asyncio.get_running_loop().call_later(pause, self._look_after, harbor)

    @staticmethod
    def _reap(harbor: Harbor, client: docker.APIClient) -> None:
        reap(client, harbor.owner, lambda: harbor.pool.names)

    @property
    def environment(self) -> dict[str, str]:
        """The default for commands, with the toolchain first on PATH; an image that cannot run it has it not."""
        return Toolchain.environment(self._toolchain_paths)

    async def run(self, command: Command, on_output: Show | None = None) -> CommandResult:
        await self.prepare()
        if self._harbor is None:
            raise SandboxUnavailable("The sandbox is not prepared.")
        image = command.image or self.image
        if image is None:
            raise SandboxRefused("No image is named for this run's commands.", NO_IMAGE)
        toolchain = await self._toolchain_for(self._harbor, image)
        return await self._run_on(self._harbor, toolchain, image, with_proxy(command), on_output)

    async def _toolchain_for(self, harbor: Harbor, image: str) -> Places:
        """What is mounted in this image, which is tried once: the toolchain that Perdure made only where it runs."""
        async with self._trying:
            for check in await self._try_image(harbor, image) if image not in self._fits else ():
                if not check.ok:
                    raise SandboxRefused(f"{image}: {check.name}: {check.found}", check.remedy)
        return harbor.toolchain if self._fits[image] or self._toolchain_paths else ()

    async def _run_on(
        self, harbor: Harbor, toolchain: Places, image: str, command: Command, on_output: Show | None = None
    ) -> CommandResult:
        plan = Plan.of(command, image, toolchain, self._runtime)
        with self._names.running(command.name) as running:
            words = arguments(command, running.marker, plan.writable)
            async with harbor.pool.lease(plan, command.name) as container:
                watch = Watch.over(command.mounts, command.limits, container.pids, memory=False)
                process = await start_exec(self.engine, container.id, self._users.agent, command, words)
                cage = ContainerCage(self.engine, container, process)
                return await conduct(process, cage, command, on_output, running.stopped, watch)

    async def kill(self, name_prefix: str) -> None:
        """Other processes of this home lose theirs, too, also dead ones."""
        await self._names.stop(name_prefix)
        if self._harbor is not None:
            self._harbor.pool.release(lambda run: plain(run).startswith(plain(name_prefix)))
        owner = self._harbor.owner if self._harbor else Owner(self.worker_home)
        marker = self._names.marker(name_prefix)
        try:
            await self.engine.ask(lambda client: kill(client, owner, name_prefix, marker))
        finally:
            if self._harbor is None:
                owner.close()

    async def release(self, run_id: str) -> None:
        """The run is over, or waits for long: what is kept warm for it goes."""
        if self._harbor is not None:
            self._harbor.pool.release(run_id.__eq__)

    async def close(self) -> None:
        """Ends all of its containers."""
        if self._timer is not None:
            self._timer.cancel()
        if self._harbor is not None:
            self._harbor.close()
            self._harbor = None
        await asyncio.to_thread(self.engine.close)

    def enforcement(self) -> Enforcement:
        user, network = self._users.agent, "closed"
        if self._harbor is None:
            return Enforcement(sandbox="docker", disk=DISK_TEXT, network=network, notes=("the engine was not asked",))
        return self._harbor.facts.enforcement(DISK_TEXT, user, self.image)

    async def doctor(self) -> Sequence[Check]:
        """Works on hosts that `prepare` refuses, too."""
        try:
            harbor = self._harbor or await self._make_harbor()
        except PerdureError as error:
            return (Check(name="docker", ok=False, found=error.message, remedy=error.next_step),)
        try:
            return await self._look(harbor)
        finally:
            if self._harbor is None:
                harbor.close()

    async def _look(self, harbor: Harbor) -> Sequence[Check]:
        engine = engine_check(harbor.facts)
        if self.image is None:
            return (engine, Check(name="image", ok=True, found="named by rules only", remedy=NO_IMAGE))
        try:
            found = (engine, *await self._try_image(harbor, self.image))
        except PerdureError as error:
            return (engine, Check(name="image", ok=False, found=error.message, remedy=error.next_step))
        if self.image not in self._fits or self._toolchain_paths:
            return found
        return (*found, toolchain_check(self.image, fits=self._fits[self.image]))
