"""Starts what was submitted and not started: Temporal was down, or this server died in between."""

import asyncio
import logging

from api.parts import ApiParts
from api.submission import run_input
from domain.errors import PerdureError

LOG = logging.getLogger("perdure.api")
GRACE_SECONDS = 5.0
"""Younger runs are just being started by the request that brought them."""


class Sweeper:
    """A run that Temporal has taken stays unstarted in the journal until a worker picks it up: it is started once."""

    def __init__(self, parts: ApiParts, grace_seconds: float = GRACE_SECONDS) -> None:
        self._parts = parts
        self._grace_seconds = grace_seconds
        self._handed_over: set[str] = set()

    async def run(self) -> None:
        while True:
            try:
                await self.sweep()
            except PerdureError as error:
                LOG.warning("submitted runs wait to be started: %s", error.message)
            except Exception:
                # The next sweep may fare better, and nobody else would start these runs.
                LOG.exception("a sweep failed")
            await asyncio.sleep(self._parts.settings.sweep_seconds)

    async def sweep(self) -> None:
        waiting = await self._parts.journal.unstarted(self._grace_seconds)
        self._handed_over.intersection_update(waiting)
        for run_id in waiting:
            if run_id not in self._handed_over:
                await self._start(run_id)

    async def _start(self, run_id: str) -> None:
        try:
            run = run_input(await self._parts.journal.summary(run_id), self._parts.settings)
        except (PerdureError, ValueError) as error:
            # One that cannot be read must not keep back those behind it.
            LOG.warning("run %s waits to be started: %s", run_id, error)
            return
        await self._parts.runs.start(run)
        self._handed_over.add(run_id)
