"""One worker's own version: how it is told to Temporal, and when it becomes the one that serves."""

import asyncio
import contextlib
import logging
import time
from collections.abc import AsyncGenerator
from typing import TypedDict

from temporalio.client import Client
from temporalio.common import VersioningBehavior, WorkerDeploymentVersion
from temporalio.worker import WorkerDeploymentConfig

from adapters.deployments.known import UNVERSIONED, Deployment, Deployments
from adapters.settings import Settings
from domain.errors import PerdureError

LOG = logging.getLogger("perdure.worker")
SOON_SECONDS = 0.05
"""A worker that has just begun to ask for work is known after about this long; each next pause is twice as long."""
LOOK_SECONDS = 15.0
PATIENCE_SECONDS = 10.0
"""After this long a worker serves its host's queue and says why no runs come."""


class VersionOptions(TypedDict, total=False):
    """What `Worker` is given."""

    build_id: str
    deployment_config: WorkerDeploymentConfig


class Release:
    def __init__(
        self,
        deployments: Deployments,
        build_id: str,
        versioned: bool = True,
        promote: str = "new",
        look_seconds: float = LOOK_SECONDS,
    ) -> None:
        self._look_seconds = look_seconds
        self.build_id = build_id
        self._deployments = deployments
        self._versioned = versioned
        self._promote = promote
        self._mine = build_id if versioned else UNVERSIONED
        self._decided = asyncio.Event()
        self._said = ""

    @classmethod
    async def of(cls, client: Client, settings: Settings, build_id: str) -> "Release":
        """Without versioning where it is switched off, or where the server has none."""
        deployments = Deployments(client, settings.task_queue)
        supported = await deployments.supported()
        if settings.versions.told and not supported:
            LOG.warning("this Temporal server has no worker deployments (or forbids them): workers have no versions")
        # What cannot be asked about cannot be switched either.
        promote = settings.versions.promote if supported else "never"
        return cls(deployments, build_id, settings.versions.told and supported, promote)

    def options(self) -> VersionOptions:
        """For the shared queue. Runs move to the version that serves: docs/architecture.md, Upgrades, says why."""
        if not self._versioned:
            return VersionOptions(build_id=self.build_id)
        version = WorkerDeploymentVersion(self._deployments.name, self.build_id)
        behavior = VersioningBehavior.AUTO_UPGRADE
        return VersionOptions(
            deployment_config=WorkerDeploymentConfig(
                version=version, use_worker_versioning=True, default_versioning_behavior=behavior
            )
        )

    @contextlib.asynccontextmanager
    async def taking_over(self) -> AsyncGenerator[None]:
        """Around the time in which the worker serves: makes its version the one that runs go to, where it may."""
        watching = asyncio.create_task(self._watch())
        try:
            with contextlib.suppress(TimeoutError):
                async with asyncio.timeout(PATIENCE_SECONDS):
                    await self._decided.wait()
            yield
        finally:
            watching.cancel()
            await asyncio.gather(watching, return_exceptions=True)

    async def _watch(self) -> None:
        """A version that is not the current one looks again and again whether anybody still serves that one."""
        began, pause = time.monotonic(), SOON_SECONDS
        while True:
            settled = False
            try:
                settled = await self._settled()
            except PerdureError as error:
                self._say(f"{error.message}. {error.next_step}")
            soon = not settled and time.monotonic() - began < PATIENCE_SECONDS
            await asyncio.sleep(pause if soon else self._look_seconds)
            pause = min(pause * 2, 1.0)

    async def _settled(self) -> bool:
        """False where there is more to do at once."""
        known = await self._deployments.describe()
        if self._versioned and (known is None or known.version(self.build_id) is None):
            # Temporal has not yet heard of this worker.
            return False
        if known is None or known.current == self._mine:
            self._decide(f"version {self.build_id} serves" if self._versioned else "")
            return True
        if not await self._may_take_over(known):
            waits = (
                f"version {self.build_id} waits: {known.current or 'workers without versions'} serve; `perdure deploy`"
            )
            self._decide(waits)
            return True
        await self._deployments.make_current(self._mine, known.token)
        return False

    async def _may_take_over(self, known: Deployment) -> bool:
        """A version takes over when it is new, and again only when nobody serves the one that followed it.

        So neither an old worker that restarts nor one that was rolled back pushes itself in front again."""
        if self._promote == "never":
            return False
        mine = known.version(self.build_id) if self._versioned else None
        is_new = mine is None or not mine.was_used
        if not self._decided.is_set() and (is_new or self._promote == "always"):
            return True
        return not (await self._deployments.served()).get(known.current)

    def _decide(self, said: str) -> None:
        self._decided.set()
        self._say(said)

    def _say(self, text: str) -> None:
        if text and text != self._said:
            LOG.info(text)
        self._said = text
