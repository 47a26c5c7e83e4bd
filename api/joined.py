"""The real parts, by what the environment says."""

import contextlib
from collections.abc import AsyncGenerator, Mapping

from temporalio.client import Client

from adapters.blobs import ObjectBlobs
from adapters.forges import make_forges
from adapters.journal.postgres import PostgresJournal
from adapters.journal.workers import WorkerTable
from adapters.logs import keep_in
from adapters.models import ProviderModels
from adapters.prompts import FilePrompts
from adapters.settings import Settings, load_settings
from adapters.site import load_site
from adapters.temporal import connect, ensure_search_attributes
from adapters.workspaces.snapshots import PackSnapshots
from api.hindrances import AT_MOST, SILENT_SECONDS
from api.parts import ApiParts, ApiSettings
from api.runs import TemporalRuns
from domain.errors import InvalidRequest
from domain.run import Pace


@contextlib.asynccontextmanager
async def joined_parts(environment: Mapping[str, str] | None = None) -> AsyncGenerator[ApiParts]:
    settings = load_settings() if environment is None else load_settings(environment)
    if settings.database_url is None:
        raise InvalidRequest("DATABASE_URL is not set", "Set it, or start the whole stack with `perdure up`.")
    mask = settings.mask()
    keep_in(mask)
    site = load_site(settings.site_path)
    blobs = ObjectBlobs(settings.blobs_url)
    models = ProviderModels(settings.model_environment, settings.prices_path)
    journal = await PostgresJournal.connect(settings.database_url, blobs, mask=mask)
    try:
        yield ApiParts(
            journal=journal,
            snapshots=PackSnapshots(blobs),
            blobs=blobs,
            models=models,
            prompts=FilePrompts(),
            runs=temporal_runs(settings, journal.workers),
            tokens=journal,
            settings=api_settings(settings),
            mask=mask,
            forges=make_forges(settings),
            site=site,
        )
    finally:
        await journal.close()


def temporal_runs(settings: Settings, workers: WorkerTable) -> TemporalRuns:
    """Connects when first asked for, so that runs are taken in while Temporal is down."""

    async def connected() -> Client:
        client = await connect(settings)
        await ensure_search_attributes(client)
        return client

    async def silence() -> float | None:
        return await workers.silence(settings.task_queue)

    async def stranded() -> Mapping[str, str]:
        return await workers.stranded(settings.task_queue, SILENT_SECONDS, AT_MOST)

    return TemporalRuns(connected, settings.task_queue, settings.signal_decisions, silence, stranded)


def api_settings(settings: Settings) -> ApiSettings:
    site = load_site(settings.site_path)
    return ApiSettings(
        api_token=settings.api_token,
        default_model=settings.default_model,
        fallback_models=settings.fallback_models,
        agent_fallback_models={
            name: rules.fallback_models for name, rules in site.agents.items() if rules.fallback_models is not None
        },
        namespace=settings.namespace,
        temporal_ui_url=settings.temporal_ui_url,
        public_url=settings.public_url,
        allowed_paths=settings.allowed_paths,
        allowed_hosts=settings.allowed_hosts,
        signal_decisions=settings.signal_decisions,
        notify=load_site(settings.site_path).notify,
        pace=Pace(release_after_seconds=settings.release_after_seconds),
        retention_days=settings.retention_days,
    )
