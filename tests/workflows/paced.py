"""Runs at a pace of their own, which nobody may ask the API for."""

from collections.abc import AsyncGenerator
from contextlib import asynccontextmanager

from temporalio.client import Client
from uuid_utils import uuid7

from adapters.blobs import ObjectBlobs
from adapters.journal.postgres import PostgresJournal
from api.parts import ApiSettings
from api.submission import run_input
from domain.ports import Submission
from domain.run import Pace, RunSpec
from tests.fixtures.stack import Stack


@asynccontextmanager
async def journal_of(stack: Stack) -> AsyncGenerator[PostgresJournal]:
    blobs = ObjectBlobs(f"file://{stack.home}/stack/blobs")
    journal = await PostgresJournal.connect(stack.environment["DATABASE_URL"], blobs)
    try:
        yield journal
    finally:
        await journal.close()


async def begin(stack: Stack, client: Client, journal: PostgresJournal, spec: RunSpec, model: str, pace: Pace) -> str:
    """The run's id; submitted and started as the API would."""
    run_id = str(uuid7())
    submission = Submission(run_id=run_id, spec=spec, model=model, owner="admin")
    await journal.submit(submission)
    given = run_input(submission, ApiSettings(pace=pace))
    await client.start_workflow("RunWorkflow", given, id=f"run/{run_id}", task_queue=stack.home.name)
    return run_id
