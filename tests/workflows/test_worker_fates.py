"""Workers that are told to stop, that share a host, that lose the network, or that come back when nobody waits."""

import asyncio
import logging
import time
from collections.abc import AsyncIterator
from pathlib import Path
from urllib.parse import parse_qs, urlsplit

import pytest_asyncio

from adapters.models.scripted import ScriptedServer
from tests.fixtures.forwarder import Forwarder, Wire
from tests.fixtures.stack import Stack, make_stack
from tests.workflows.fates import (
    LONG,
    LONG_CALL,
    comes_back_late,
    finished,
    holder,
    hosts_of,
    no_process_is_left,
    serving,
    submit,
)
from tests.workflows.test_durability import redone

LOG = logging.getLogger(__name__)
QUICK = LONG.replace("sleep 20", "sleep 1")
CUT_SECONDS = 8.0
"""Longer than a heartbeat may be late."""


async def test_a_call_that_ends_soon_is_finished_by_the_worker_that_was_told_to_stop(stack: Stack) -> None:
    run_id = await submit(stack, QUICK)
    await stack.until_event(run_id, f"{LONG_CALL}/started/1", seconds=120)
    await stack.worker.end()
    await stack.worker.start()
    await finished(stack, run_id)
    assert await redone(stack, run_id) == []
    assert len(await hosts_of(stack, run_id)) == 1


async def test_a_long_call_is_handed_to_the_worker_that_takes_the_place(stack: Stack) -> None:
    async with serving(stack.another_worker("next")) as next_one:
        run_id = await submit(stack, LONG)
        await stack.until_event(run_id, f"{LONG_CALL}/started/1", seconds=120)
        told = time.monotonic()
        await (await holder(run_id, stack.worker, next_one)).end()
        await stack.until_event(run_id, f"{LONG_CALL}/started/2")
        LOG.info("handed over %.1f s after SIGTERM, 5 s of them for what is short", time.monotonic() - told)
        await finished(stack, run_id)
        assert await redone(stack, run_id) == [f"{LONG_CALL}/redone/1"]
        # The workspace was not even opened again: it is the same host.
        assert len(await hosts_of(stack, run_id)) == 1
        await no_process_is_left(run_id)


async def test_two_workers_on_one_home_keep_their_runs_apart(stack: Stack) -> None:
    big = LONG.replace("sleep 20", "sleep 1; seq 1 200000; echo $RANDOM")
    stack.scripted.add("long", big)
    async with serving(stack.another_worker("second")):
        runs = [await stack.submit(task="Log", model="scripted:long", plan=False) for _ in range(4)]
        kept: set[str] = set()
        for run_id in runs:
            await stack.until(run_id, "completed", seconds=120)
            assert await redone(stack, run_id) == []
            returned = await stack.until_event(run_id, f"{LONG_CALL}/returned")
            kept.add(returned["event"]["result"]["output_ref"])
            assert len(await hosts_of(stack, run_id)) == 1
        # Each has its own whole output, though all of them are called the same.
        assert len(kept) == len(runs)
        assert None not in kept


@pytest_asyncio.fixture(loop_scope="session")
async def wired(
    open_directory: Path, module_database_url: str, temporal_address: str, scripted: ScriptedServer
) -> AsyncIterator[tuple[Stack, Forwarder, Forwarder]]:
    """A stack whose worker reaches Temporal and Postgres over wires that can be cut."""
    host, _, port = temporal_address.rpartition(":")
    parts = urlsplit(module_database_url)
    asked = parse_qs(parts.query)
    socket = f"{asked['host'][0]}/.s.PGSQL.{asked['port'][0]}"

    async def to_temporal() -> Wire:
        return await asyncio.open_connection(host, int(port))

    async def to_postgres() -> Wire:
        return await asyncio.open_unix_connection(socket)

    temporal, postgres = Forwarder(to_temporal), Forwarder(to_postgres)
    made = make_stack(open_directory, module_database_url, temporal_address, scripted)
    made.worker.environment = made.environment | {
        "TEMPORAL_ADDRESS": f"127.0.0.1:{await temporal.start()}",
        "DATABASE_URL": f"postgresql://perdure@127.0.0.1:{await postgres.start()}{parts.path}?sslmode=disable",
    }
    await made.api.start()
    await made.worker.start()
    await made.up()
    yield made, temporal, postgres
    await made.http.aclose()
    await made.worker.kill()
    await made.api.end()
    made.remote.stop()
    await temporal.stop()
    await postgres.stop()


async def test_a_run_outlives_the_loss_of_the_network(wired: tuple[Stack, Forwarder, Forwarder]) -> None:
    stack, temporal, postgres = wired
    run_id = await submit(stack, LONG.replace("sleep 20", "sleep 4"))
    await stack.until_event(run_id, f"{LONG_CALL}/started/1", seconds=120)
    temporal.cut()
    await asyncio.sleep(CUT_SECONDS)
    temporal.mend()
    await finished(stack, run_id)
    # What the call did was recorded meanwhile: it is not done again.
    assert await redone(stack, run_id) == []
    stack.scripted.clear()
    run_id = await submit(stack, LONG.replace("sleep 20", "sleep 4"))
    await stack.until_event(run_id, f"{LONG_CALL}/started/1", seconds=120)
    postgres.cut()
    await asyncio.sleep(CUT_SECONDS)
    postgres.mend(forgotten=True)
    await finished(stack, run_id)
    assert await redone(stack, run_id) == []


async def test_a_worker_that_comes_back_late_changes_nothing(stack: Stack) -> None:
    await comes_back_late(stack)
