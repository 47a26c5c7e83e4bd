import asyncio
import time
from datetime import UTC, datetime

from temporalio.client import Client

from api.hindrances import Hindrances, hindered
from domain.run import RunSpec, RunSummary


def running(run_id: str) -> RunSummary:
    now = datetime.now(UTC)
    return RunSummary(
        run_id=run_id,
        spec=RunSpec(task="t"),
        model="scripted:demo",
        owner="ann",
        status="running",
        created_at=now,
        updated_at=now,
    )


async def test_a_temporal_that_does_not_answer_keeps_nobody_waiting() -> None:
    async def never() -> Client:
        await asyncio.Event().wait()
        raise AssertionError

    hindrances = Hindrances(never, "q")
    began = time.monotonic()
    found = [await hindrances.known() for _ in range(2)]
    assert found == [{}, {}]
    assert time.monotonic() - began < 4


async def test_nothing_is_amiss_on_a_queue_without_runs(temporal_client: Client) -> None:
    async def connected() -> Client:
        return temporal_client

    assert await Hindrances(connected, "a-queue-that-nobody-knows").known() == {}


def test_only_the_run_that_cannot_go_on_says_so() -> None:
    shown = hindered(running("a"), {"a": "why"})
    assert (shown.status, shown.waiting_for, shown.waiting_reason) == ("waiting", "worker", "why")
    other = running("b")
    assert hindered(other, {"a": "why"}) == other
