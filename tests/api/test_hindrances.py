"""Waits that the journal cannot tell of."""

import asyncio
import time
from collections.abc import Mapping, Sequence
from datetime import UTC, datetime, timedelta

import pytest
from temporalio.client import Client

from api.hindrances import (
    EVERY_RUN,
    NO_TEMPORAL,
    NO_WORKER,
    NOT_HEARD,
    SILENT_SECONDS,
    Hindrance,
    Hindrances,
    hindered,
    nowhere,
    reason_of,
    unsigned,
)
from api.runs import TemporalRuns
from domain.errors import StorageUnavailable, WorldError
from domain.run import RunSpec, RunStatus, RunSummary


def summary(run_id: str, status: RunStatus = "running", quiet_seconds: float = 0.0) -> RunSummary:
    at = datetime.now(UTC) - timedelta(seconds=quiet_seconds)
    spec = RunSpec(task="t")
    return RunSummary(
        run_id=run_id, spec=spec, model="scripted:demo", owner="ann", status=status, created_at=at, updated_at=at
    )


async def one() -> Sequence[str]:
    return ("a worker",)


async def test_a_temporal_that_does_not_answer_keeps_nobody_waiting() -> None:
    async def never() -> Client:
        await asyncio.Event().wait()
        raise AssertionError

    hindrances = Hindrances(never, one, "q", unsigned, nowhere)
    began = time.monotonic()
    found = [await hindrances.known() for _ in range(2)]
    assert found == [{}, {}]
    assert time.monotonic() - began < 4


async def test_nothing_is_amiss_on_a_queue_without_runs(temporal_client: Client) -> None:
    async def connected() -> Client:
        return temporal_client

    assert await Hindrances(connected, one, "a-queue-that-nobody-knows", unsigned, nowhere).known() == {}


@pytest.mark.parametrize("silent", [1.0, SILENT_SECONDS + 1])
async def test_workers_that_have_said_nothing_for_a_while_are_not_up(temporal_client: Client, silent: float) -> None:
    async def connected() -> Client:
        return temporal_client

    async def silence() -> float:
        return silent

    known = await Hindrances(connected, one, "a-queue-whose-workers-sign", silence, nowhere).known()
    assert known == ({} if silent < SILENT_SECONDS else {EVERY_RUN: Hindrance(NOT_HEARD, of_quiet_runs=True)})


def test_only_the_run_that_cannot_go_on_says_so() -> None:
    shown = hindered(summary("a"), {"a": Hindrance("why")})
    assert (shown.status, shown.waiting_for, shown.waiting_reason) == ("waiting", "worker", "why")
    other = summary("b")
    assert hindered(other, {"a": Hindrance("why")}) == other


def test_a_run_that_has_been_quiet_says_that_no_worker_is_up() -> None:
    known = {EVERY_RUN: Hindrance(NO_WORKER, of_quiet_runs=True)}
    for status in ("queued", "running"):
        shown = hindered(summary("a", status, 30), known)
        assert (shown.status, shown.waiting_for, shown.waiting_reason) == ("waiting", "worker", NO_WORKER)
        assert hindered(summary("a", status), known).status == status
        assert hindered(summary("a", status, 30), {}).status == status


def test_a_run_that_waits_for_something_else_goes_on_saying_so() -> None:
    waiting = summary("a", "waiting", 30).model_copy(update={"waiting_for": "plan_approval"})
    assert hindered(waiting, {EVERY_RUN: Hindrance(NO_WORKER, of_quiet_runs=True)}) == waiting


async def test_a_queue_that_nobody_serves_is_seen(temporal_client: Client) -> None:
    runs = TemporalRuns.over(temporal_client, "nobody-serves-this")
    async with asyncio.timeout(60):
        while EVERY_RUN not in (known := await runs.hindrances()):  # noqa: ASYNC110  it is found by looking
            await asyncio.sleep(0.1)
    assert known[EVERY_RUN].reason == NO_WORKER


async def test_a_temporal_that_refuses_is_said() -> None:
    async def nobody() -> Client:
        raise WorldError("nobody is there")

    hindrances = Hindrances(nobody, one, "queue", unsigned, nowhere)
    async with asyncio.timeout(60):
        while not (known := await hindrances.known()):  # noqa: ASYNC110  it is found by looking
            await asyncio.sleep(0.1)
    assert known == {EVERY_RUN: Hindrance(NO_TEMPORAL, of_quiet_runs=True)}


def test_workers_that_die_are_not_taken_for_code_that_fails() -> None:
    late, failing = reason_of([]), reason_of(["NonDeterministicError"])
    assert "in time" in late
    assert "version" not in late
    assert "version" in failing


async def test_a_quiet_run_whose_host_is_silent_waits_for_it(temporal_client: Client) -> None:
    async def connected() -> Client:
        return temporal_client

    async def stranded() -> Mapping[str, str]:
        return {"a": "host-9"}

    known = await Hindrances(connected, one, "a-queue-with-a-silent-host", unsigned, stranded).known()
    shown = hindered(summary("a", quiet_seconds=30), known)
    assert (shown.status, shown.waiting_for) == ("waiting", "host")
    assert "host-9" in (shown.waiting_reason or "")
    for goes_on in (summary("a"), summary("b", quiet_seconds=30)):
        assert hindered(goes_on, known) == goes_on


async def test_where_no_worker_is_up_that_is_said_and_nothing_of_hosts(temporal_client: Client) -> None:
    async def connected() -> Client:
        return temporal_client

    async def stranded() -> Mapping[str, str]:
        return {"a": "host-9"}

    async def silence() -> float:
        return SILENT_SECONDS + 1

    known = await Hindrances(connected, one, "a-queue-with-silent-hosts", silence, stranded).known()
    assert hindered(summary("a", quiet_seconds=30), known).waiting_reason == NOT_HEARD


async def test_a_database_that_cannot_be_asked_for_hosts_hides_nothing_else(temporal_client: Client) -> None:
    async def connected() -> Client:
        return temporal_client

    async def stranded() -> Mapping[str, str]:
        raise StorageUnavailable("gone")

    assert await Hindrances(connected, one, "a-queue-without-a-database", unsigned, stranded).known() == {}
