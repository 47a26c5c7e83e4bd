"""The worker: the one place where parts are chosen and joined."""

import asyncio
import logging
import os
import signal
import sys
from collections.abc import AsyncGenerator
from contextlib import AbstractAsyncContextManager, AsyncExitStack, asynccontextmanager
from dataclasses import dataclass
from datetime import timedelta
from typing import NoReturn

import uvloop
from temporalio.client import Client
from temporalio.worker import Worker

from activities.approval import ApprovalActivities
from activities.boundary import Boundary
from activities.children import ChildActivities
from activities.comment import CommentActivities
from activities.dossiers import Dossiers
from activities.event import EventActivities
from activities.host import Host
from activities.limits import LimitActivities
from activities.model import ModelActivities
from activities.notify import NotifyActivities
from activities.pull_request import PullRequestActivities
from activities.race import RaceActivities
from activities.repository import RepositoryActivities
from activities.tool import ToolActivities
from activities.workspace import WorkspaceActivities
from adapters.blobs import ObjectBlobs
from adapters.builds import build_id
from adapters.clock import SystemClock
from adapters.deployments.release import Release
from adapters.embedded.kept import REFUSED, Kept
from adapters.forges import make_forges
from adapters.instances import Instance, host_id, tokens
from adapters.journal.postgres import PostgresJournal
from adapters.logs import keep_in
from adapters.models import ProviderModels, load_libraries
from adapters.network.proxy import EgressProxy
from adapters.network.web import EgressWeb
from adapters.outputs import HostOutputs
from adapters.prompts import FilePrompts
from adapters.repositories import make_repositories
from adapters.repositories.mirror import make_agent_directory
from adapters.sandboxes import make_sandbox
from adapters.settings import Settings, host_name, load_settings
from adapters.site import load_site
from adapters.succession import fail_tasks, failing_what_they_had_not_begun
from adapters.temporal import activities_of, connect, ensure_search_attributes, patient, workflow_runner
from adapters.workspaces import make_workspaces
from adapters.workspaces.materialised import ScanWorkspaces
from adapters.workspaces.overlay import OverlayWorkspaces
from adapters.workspaces.snapshots import PackSnapshots
from domain.errors import InvalidRequest, PerdureError, WorldError
from domain.ports import Forges, Sandbox
from workflows.agent import AgentWorkflow
from workflows.notify import NotifyWorkflow
from workflows.options import host_queue
from workflows.publish import PublishWorkflow
from workflows.run import RunWorkflow
from workflows.verify import VerifyWorkflow

WORKFLOWS = (RunWorkflow, AgentWorkflow, VerifyWorkflow, PublishWorkflow, NotifyWorkflow)
HEARTBEAT_THROTTLE = timedelta(seconds=1)
STICKY = timedelta(seconds=1)
"""So long a decision waits for the worker that decided last, which may be dead."""
DRAIN = timedelta(seconds=5)
"""What ends within it is finished by a worker that was told to stop; the rest is handed over."""
LOG_FORMAT = "%(asctime)s %(levelname)s %(name)s: %(message)s"
logger = logging.getLogger("perdure.worker")


@dataclass(frozen=True)
class Parts:
    """Everything that activities are made with, joined."""

    host_id: str
    instance: Instance
    identity: str
    signing: AbstractAsyncContextManager[None]
    sandbox: Sandbox
    workspaces: OverlayWorkspaces | ScanWorkspaces
    outputs: HostOutputs
    egress: EgressProxy
    shared: tuple[object, ...]
    """Activity classes served on the shared queue."""
    hosted: tuple[object, ...]
    """Activity classes served on this host's own queue."""


@asynccontextmanager
async def join(settings: Settings) -> AsyncGenerator[Parts]:
    """Chooses the parts that the settings name; gives back what they hold at the end."""
    if settings.database_url is None:
        raise InvalidRequest("DATABASE_URL is not set.", "Start everything with `perdure up`, or name a Postgres.")
    home, site = settings.worker_home, load_site(settings.site_path)
    home.mkdir(parents=True, exist_ok=True, mode=0o711)
    for place in ("workspaces", "outputs"):
        make_agent_directory(home / place, settings.agent_uid)
    async with AsyncExitStack() as stack:
        blobs, mask = ObjectBlobs(settings.blobs_url), settings.mask()
        journal = await PostgresJournal.connect(settings.database_url, blobs, mask=mask)
        stack.push_async_callback(journal.close)
        sandbox = make_sandbox(settings)
        stack.push_async_callback(sandbox.close)
        await sandbox.prepare()
        forges, models = make_forges(settings), ProviderModels(settings.model_environment, settings.prices_path)
        stack.push_async_callback(models.close)
        instance = Instance(home)
        stack.callback(instance.close)
        workspaces, repositories = make_workspaces(settings, blobs), make_repositories(settings, blobs, sandbox, forges)
        egress, web = EgressProxy(home, settings.agent_uid), EgressWeb()
        outputs = HostOutputs(home / "outputs", blobs, mask)
        here, dossiers, sky = host_id(home, host_name()), Dossiers(journal), (journal.weather, site.weather)
        host = Host(here, journal, dossiers, sandbox, workspaces, repositories, outputs, site, mask, egress, web)
        opening, publishing = WorkspaceActivities(host), RepositoryActivities(host, PackSnapshots(blobs))
        shared = (
            EventActivities(journal, PackSnapshots(blobs)),
            RaceActivities(journal),
            ChildActivities(journal, dossiers),
            ApprovalActivities(journal, dossiers, mask),
            *outward(host, forges, settings),
            ModelActivities(journal, dossiers, models, FilePrompts(), SystemClock(), mask, *sky, site),
            LimitActivities(journal),
            opening,
            publishing,
        )
        who = f"{here}/{instance.path.name}"
        signing, at_once = journal.workers.signing(who, settings.task_queue), max(4, 2 * (os.cpu_count() or 2))
        own = (ToolActivities(host, PackSnapshots(blobs), at_once=at_once), opening, publishing)
        yield Parts(here, instance, who, signing, sandbox, workspaces, outputs, egress, shared, own)


def outward(host: Host, forges: Forges, settings: Settings) -> tuple[object, ...]:
    """What tells the world of a run."""
    known, url = (host.journal, host.dossiers), settings.public_url
    notify = NotifyActivities(*known, host.web, host.site.notify, settings.notify_secret, url)
    at_forges = (forges, host.mask, url)
    return (PullRequestActivities(*known, *at_forges), CommentActivities(*known, *at_forges), notify)


def workers(client: Client, settings: Settings, parts: Parts, release: Release) -> tuple[Worker, Worker]:
    """One for what any host can do, one for what only this host can."""
    boundary = Boundary(parts.instance)
    shared = Worker(
        client,
        identity=parts.identity,
        task_queue=settings.task_queue,
        workflows=WORKFLOWS,
        activities=activities_of(parts.shared),
        interceptors=[boundary],
        **release.options(),
        workflow_runner=workflow_runner(),
        max_concurrent_activities=200,
        max_cached_workflows=2000,
        # The rest waits in Temporal, where time does not run yet: after a start all come at once, each to be replayed.
        max_concurrent_workflow_tasks=20,
        max_heartbeat_throttle_interval=HEARTBEAT_THROTTLE,
        sticky_queue_schedule_to_start_timeout=STICKY,
        graceful_shutdown_timeout=DRAIN,
    )
    hosted = Worker(
        client,
        identity=parts.identity,
        task_queue=host_queue(parts.host_id),
        activities=activities_of(parts.hosted),
        interceptors=[boundary],
        # Never versioned: a run's calls go to the host that has its workspace, whatever code is there.
        build_id=release.build_id,
        # Calls wait for a permit inside, heartbeating: a queue that is never full tells a lost host from a busy one.
        max_concurrent_activities=1000,
        # Each poll that is under way when a host falls silent swallows one retry, and the 5 s until its timeout.
        max_concurrent_activity_task_polls=1,
        max_heartbeat_throttle_interval=HEARTBEAT_THROTTLE,
        graceful_shutdown_timeout=DRAIN,
    )
    return patient(shared), hosted


async def clear_the_dead(client: Client, parts: Parts) -> list[str]:
    """What earlier workers on this host were doing is failed now, so that Temporal retries at once; who they were."""
    dead: list[str] = []
    if parts.instance.alone():
        await parts.sandbox.kill("")
        await parts.workspaces.sweep()
        parts.outputs.sweep()
        parts.egress.sweep()
    for path in parts.instance.dead():
        dead.append(f"{parts.host_id}/{path.name}")
        await fail_tasks(client, tokens(path))
    return dead


async def run(settings: Settings) -> None:
    """Serves until the process is told to end."""
    stop = asyncio.Event()
    for number in (signal.SIGTERM, signal.SIGINT):
        asyncio.get_running_loop().add_signal_handler(number, stop.set)
    client = await connect(settings)
    await ensure_search_attributes(client)
    await serve(client, settings, stop)


async def serve(client: Client, settings: Settings, stop: asyncio.Event, ready: asyncio.Event | None = None) -> None:
    """Serves the shared queue and this host's own until `stop` is set."""
    async with join(settings) as parts:
        dead = await clear_the_dead(client, parts)
        release = await Release.of(client, settings, await asyncio.to_thread(build_id, os.environ))
        shared, hosted = workers(client, settings, parts, release)
        finding = failing_what_they_had_not_begun(client, settings.task_queue, dead)
        async with finding, hosted, shared, release.taking_over(), parts.signing:
            logger.info("ready: serves %s and %s", settings.task_queue, host_queue(parts.host_id))
            if ready is not None:
                ready.set()
            await parts.instance.live(stop)
            logger.info("told to stop: takes nothing more, finishes what is short, hands over the rest")
            # Together: one that drains while the other takes new work would never come to an end.
            await asyncio.gather(hosted.shutdown(), shared.shutdown())


def main() -> NoReturn:
    logging.basicConfig(level=logging.INFO, format=LOG_FORMAT)
    code = 0
    try:
        with asyncio.Runner(loop_factory=uvloop.new_event_loop) as runner:
            settings = load_settings()
            keep_in(settings.mask())
            runner.run(run(settings))
    except PerdureError as error:
        logger.error("%s %s", error.message, error.next_step)
        code = 1 if isinstance(error, WorldError) else REFUSED
    # The SDK's threads may crash the interpreter while it shuts down; everything is flushed and closed by now.
    logging.shutdown()
    sys.stdout.flush()
    os._exit(code)


def kept() -> NoReturn:
    """`--kept`: another process serves, and whenever that dies, the next one at once. This one only loads."""
    logging.basicConfig(level=logging.INFO, format=LOG_FORMAT)
    load_libraries(os.environ)
    Kept(main).run()


if __name__ == "__main__":
    kept() if "--kept" in sys.argv[1:] else main()
