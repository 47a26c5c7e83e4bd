"""Which containers there are: one command uses each at a time, and a run's next command finds it warm."""

import asyncio
import contextlib
import logging
import time
from collections.abc import AsyncGenerator, Callable
from contextlib import asynccontextmanager

from adapters.sandboxes.conduct import to_the_end
from adapters.sandboxes.docker_container import LIFETIME_SECONDS, Container
from adapters.sandboxes.docker_engine import Engine
from adapters.sandboxes.docker_owner import Owner
from adapters.sandboxes.docker_plan import Plan, Users
from domain.errors import PerdureError

AT_ONCE = 4
"""Containers made at the same time; the engine gets slower with more."""
KEPT_FOR_RUN, KEPT = 4, 32
IDLE_SECONDS = 300.0

log = logging.getLogger(__name__)


class Pool:
    def __init__(self, engine: Engine, users: Users, owner: Owner, idle_seconds: float = IDLE_SECONDS) -> None:
        self._engine = engine
        self._users = users
        self._owner = owner
        self._idle_seconds = idle_seconds
        self._idle: list[Container] = []
        """The longest unused comes first."""
        self._used: set[Container] = set()
        self._making = asyncio.Semaphore(AT_ONCE)

    @property
    def names(self) -> set[str]:
        return {container.name for container in (*self._idle, *self._used)}

    @asynccontextmanager
    async def lease(self, plan: Plan, command: str) -> AsyncGenerator[Container]:
        """No other command is in it. It is kept where it was left clean, and removed otherwise."""
        container = self._take(plan)
        if container is None:
            container = Container(self._engine, plan, self._users, self._owner, command)
            self._used.add(container)
            try:
                async with self._making:
                    await container.start()
            except BaseException:
                self._used.discard(container)
                raise
        try:
            yield container
        except BaseException:
            container.spoilt = True
            raise
        finally:
            await self._give_back(container)

    def _take(self, plan: Plan) -> Container | None:
        self.expire()
        for container in reversed(self._idle):
            if container.plan == plan:
                self._idle.remove(container)
                self._used.add(container)
                return container
        return None

    async def _give_back(self, container: Container) -> None:
        self._used.discard(container)
        if container.spoilt:
            # Gone already where its command was killed.
            with contextlib.suppress(PerdureError):
                await to_the_end(container.remove())
        elif not container.plan.warm:
            container.let_go()
        else:
            container.idle_since = time.monotonic()
            self._idle.append(container)
            mine = [other for other in self._idle if other.plan.run_id == container.plan.run_id]
            self._drop(mine[:-KEPT_FOR_RUN])
            self._drop(self._idle[:-KEPT])

    def expire(self) -> None:
        """Lets go of those that are dead, were not used for long, or have lived for long."""
        now, oldest = time.monotonic(), time.time() + LIFETIME_SECONDS / 2
        self._drop(
            [
                container
                for container in self._idle
                if now - container.idle_since > self._idle_seconds or container.until < oldest or not container.alive()
            ]
        )

    def _drop(self, containers: list[Container]) -> None:
        for container in containers:
            self._idle.remove(container)
            container.let_go()

    def release(self, over: Callable[[str], bool]) -> None:
        """Lets go of what is kept for runs with such ids, and keeps nothing more of what they use now."""
        self._drop([container for container in self._idle if over(container.plan.run_id)])
        for container in self._used:
            if container.plan.run_id and over(container.plan.run_id):
                container.spoilt = True

    def close(self) -> None:
        for container in (*self._idle, *self._used):
            container.let_go()
        self._idle.clear()
