import pytest
from temporalio.client import Client

from api.parts import ApiSettings
from api.runs import TemporalRuns, workflow_id
from api.submission import run_input
from domain.approval import DecideApproval
from domain.errors import NotFound, WorldError
from domain.mailbox import PauseRun
from domain.ports import Submission
from domain.run import RunInput, RunSpec

QUEUE = "api-runs-test"


def given(run_id: str) -> RunInput:
    submission = Submission(run_id=run_id, spec=RunSpec(task="Mend it"), model="scripted:demo", owner="ann")
    return run_input(submission, ApiSettings(signal_decisions=False))


async def test_starting_a_run_twice_is_starting_it_once(temporal_client: Client) -> None:
    runs = TemporalRuns.over(temporal_client, QUEUE)
    await runs.start(given("twice"))
    first = await temporal_client.get_workflow_handle(workflow_id("twice")).describe()
    await runs.start(given("twice"))
    assert (await temporal_client.get_workflow_handle(workflow_id("twice")).describe()).run_id == first.run_id


async def test_a_run_that_ended_is_never_begun_again(temporal_client: Client) -> None:
    runs = TemporalRuns.over(temporal_client, QUEUE)
    await runs.start(given("over"))
    handle = temporal_client.get_workflow_handle(workflow_id("over"))
    await handle.terminate("by hand")
    before = (await handle.describe()).run_id
    await runs.start(given("over"))
    assert (await handle.describe()).run_id == before


async def test_a_run_that_temporal_does_not_know_is_not_found(temporal_client: Client) -> None:
    with pytest.raises(NotFound):
        await TemporalRuns.over(temporal_client, QUEUE).send("nobody", PauseRun(by="ann"))


async def test_a_decision_is_not_left_as_a_signal_where_signals_do_not_count(temporal_client: Client) -> None:
    """It would be thrown away by the run, after the API had said that it was taken."""
    runs = TemporalRuns.over(temporal_client, QUEUE, signal_decisions=False)
    await runs.start(given("quiet"))
    with pytest.raises(WorldError, match="No worker"):
        await runs.send("quiet", DecideApproval(approval_id="plan/1", decision="approve", by="ann"))
    assert await runs.send("quiet", PauseRun(by="ann")) is False


async def test_the_connection_is_made_once_temporal_answers(temporal_client: Client) -> None:
    tries = []

    async def connect() -> Client:
        tries.append(1)
        if len(tries) < 3:
            raise RuntimeError("connection refused")
        return temporal_client

    runs = TemporalRuns(connect, QUEUE)
    for _ in range(2):
        with pytest.raises(WorldError, match="connection refused"):
            await runs.check()
    await runs.check()
    await runs.check()
    assert len(tries) == 3
