"""Why runs cannot go on where the journal cannot say it: what writes it is down, or fails."""

import asyncio
import contextlib
import time
from collections.abc import Awaitable, Callable, Mapping, Sequence
from datetime import UTC, datetime, timedelta
from typing import NamedTuple

from temporalio.client import Client
from temporalio.common import SearchAttributeKey
from temporalio.service import RPCError

from domain.errors import WorldError
from domain.run import RunSummary, WaitingFor

PROBLEMS = SearchAttributeKey.for_keyword_list("TemporalReportedProblems")
"""Temporal's own mark for workflows whose tasks fail again and again."""
CAUSE = "cause=WorkflowTaskFailedCause"
AT_MOST = 1000
FRESH_SECONDS = 5.0
STALE_SECONDS = 30.0
WAIT_SECONDS = 0.3
"""Nobody who looks at a run waits longer than this for Temporal."""
ANSWER_SECONDS = 5.0
SILENT_SECONDS = 10.0
"""Workers that live say so every three seconds."""
EVERY_RUN = ""
"""The key of what holds all of them up."""
QUIET = timedelta(seconds=10)
"""What holds all up is said of runs of which nothing was recorded for so long."""
NO_TEMPORAL = "Temporal does not answer. Nothing is lost: the run goes on once it is back."
NOT_HEARD = (
    f"No worker has been heard of for {SILENT_SECONDS:g} seconds. Nothing is lost: start one (`perdure up`), or look "
    "at its log."
)
NO_WORKER = "No worker is up that could take it. Nothing is lost: start one (`perdure up`), or look at its log."


Silence = Callable[[], Awaitable[float | None]]
"""Seconds since any worker has said that it lives; None where none ever has."""
Stranded = Callable[[], Awaitable[Mapping[str, str]]]
"""Hosts that have been silent for a while, by quiet run that has its files there."""


class Hindrance(NamedTuple):
    reason: str
    waiting_for: WaitingFor = "worker"
    of_quiet_runs: bool = False
    """It is said only of runs of which nothing was recorded for a while."""


class Hindrances:
    """Asked of Temporal once every few seconds, however often runs are shown."""

    def __init__(
        self,
        connected: Callable[[], Awaitable[Client]],
        workers: Callable[[], Awaitable[Sequence[str]]],
        task_queue: str,
        silence: Silence,
        stranded: Stranded,
    ) -> None:
        self._silence = silence
        self._stranded = stranded
        self._connected = connected
        self._workers = workers
        self._query = f"ExecutionStatus = 'Running' AND TaskQueue = '{task_queue}' AND {PROBLEMS.name} IS NOT NULL"
        self._known: Mapping[str, Hindrance] = dict[str, Hindrance]()
        self._told = self._asked = -STALE_SECONDS
        self._asking: asyncio.Task[None] | None = None

    async def known(self) -> Mapping[str, Hindrance]:
        """Why, by run or for EVERY_RUN; nothing where that has not been found out lately."""
        if self._asking is None and time.monotonic() - self._asked >= FRESH_SECONDS:
            self._asking = asyncio.create_task(self._look())
        if self._asking is not None:
            await asyncio.wait({self._asking}, timeout=WAIT_SECONDS)
        return self._known if time.monotonic() - self._told < STALE_SECONDS else dict[str, Hindrance]()

    async def _look(self) -> None:
        self._asked = time.monotonic()
        try:
            async with asyncio.timeout(ANSWER_SECONDS):
                self._known = await self._ask()
        except (WorldError, RPCError, TimeoutError):
            self._known = {EVERY_RUN: Hindrance(NO_TEMPORAL, of_quiet_runs=True)}
        finally:
            self._told = time.monotonic()
            self._asking = None

    async def _ask(self) -> Mapping[str, Hindrance]:
        client = await self._connected()
        found: dict[str, Hindrance] = {}
        if why := await self._unserved():
            found[EVERY_RUN] = Hindrance(why, of_quiet_runs=True)
        else:
            # A database that cannot be asked is said elsewhere.
            with contextlib.suppress(WorldError):
                for run_id, host in (await self._stranded()).items():
                    found[run_id] = Hindrance(_lost(host), "host", of_quiet_runs=True)
        async for one in client.list_workflows(self._query, limit=AT_MOST):
            _, _, rest = one.id.partition("/")
            causes = [text.removeprefix(CAUSE) for text in one.typed_search_attributes.get(PROBLEMS, [])]
            found[rest.split("/")[0]] = Hindrance(reason_of([text for text in causes if "=" not in text]))
        return found

    async def _unserved(self) -> str:
        """Why nobody would take a run, or nothing. Temporal forgets the dead after a minute and a half only; its word
        counts where workers have never signed, or none that lives is of a version that serves."""
        try:
            silent = await self._silence()
        except WorldError:
            silent = None
        if silent is not None and silent > SILENT_SECONDS:
            return NOT_HEARD
        return "" if await self._workers() else NO_WORKER


async def unsigned() -> float | None:
    """Where nobody can be asked for signs of life."""
    return None


async def nowhere() -> Mapping[str, str]:
    """The same, of hosts."""
    return dict[str, str]()


def _lost(host: str) -> str:
    return (
        f"Host {host}, which has its files, has not been heard of for {SILENT_SECONDS:g} seconds. Nothing is lost: "
        "where it does not come back, another host opens them as they were when they were last recorded."
    )


def hindered(run: RunSummary, known: Mapping[str, Hindrance]) -> RunSummary:
    """As people should see it."""
    quiet = run.status in ("queued", "running") and datetime.now(UTC) - run.updated_at > QUIET
    met = [one for name in (run.run_id, EVERY_RUN) if (one := known.get(name)) and (quiet or not one.of_quiet_runs)]
    if not met or run.result is not None:
        return run
    reason, waiting_for, _ = met[0]
    return run.model_copy(update={"status": "waiting", "waiting_for": waiting_for, "waiting_reason": reason})


def reason_of(causes: list[str]) -> str:
    if not causes:
        # Reported are failures, each with its cause, and tasks of workers that died or were too slow.
        return "The worker that had its workflow did not answer in time, again and again. Temporal gives it to another."
    return (
        f"Its workflow fails on the version of the worker that serves ({', '.join(causes)}). Nothing is lost, and "
        "Temporal tries on. Go back to the version before, or bring one that mends it: `perdure deploy` shows and "
        "chooses versions."
    )
