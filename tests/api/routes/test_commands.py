import asyncio
from dataclasses import replace

import pytest
from temporalio.client import Client

from api.parts import ApiParts
from api.sweeper import Sweeper
from domain.event import RunEnded, StatusChanged
from domain.run import RunResult
from tests.api.conftest import Api, Serve
from tests.api.test_app import check_problem, nowhere


async def test_a_run_takes_commands_and_acknowledges_them(staffed: Api, temporal_client: Client) -> None:
    run_id = await staffed.start()
    for command in ("pause", "resume"):
        answer = await staffed.post(f"/v1/runs/{run_id}/{command}")
        assert answer.status_code == 202
        assert answer.json() == {"run_id": run_id, "command": command, "acknowledged": True, "message_id": None}
    answer = await staffed.post(f"/v1/runs/{run_id}/messages", {"text": "Leave the names", "message_id": "m-1"})
    assert answer.json()["message_id"] == "m-1"
    await staffed.post(f"/v1/runs/{run_id}/messages", {"text": "Leave the names", "message_id": "m-1"})
    assert await heard(temporal_client, run_id) == ["PauseRun", "ResumeRun", "SendMessage"]
    answer = await staffed.post(f"/v1/runs/{run_id}/cancel", {"reason": "not needed"})
    assert answer.status_code == 202


async def test_a_command_that_makes_no_sense_is_a_409_with_the_reason(staffed: Api) -> None:
    run_id = await staffed.start()
    assert "not paused" in check_problem(await staffed.post(f"/v1/runs/{run_id}/resume"), 409)["detail"]
    await staffed.post(f"/v1/runs/{run_id}/pause")
    assert "paused already" in check_problem(await staffed.post(f"/v1/runs/{run_id}/pause"), 409)["detail"]
    await staffed.post(f"/v1/runs/{run_id}/cancel")
    for _ in range(100):
        answer = await staffed.post(f"/v1/runs/{run_id}/resume")
        if "workflow has ended" in answer.text:
            break
        await asyncio.sleep(0.05)
    check_problem(answer, 409)


@pytest.mark.parametrize("status", ["completed", "failed", "cancelled"])
async def test_an_ended_run_takes_nothing_and_says_why(api: Api, status: str) -> None:
    run_id = await api.start()
    result = RunResult.model_validate({"status": status, "summary": "over"})
    await api.record(run_id, ("ended", RunEnded(result=result)))
    for command in ("pause", "resume", "cancel"):
        problem = check_problem(await api.post(f"/v1/runs/{run_id}/{command}"), 409)
        assert f"is {status}" in problem["detail"]
    problem = check_problem(await api.post(f"/v1/runs/{run_id}/messages", {"text": "go on"}), 409)
    assert "not there yet" in problem["detail"]


async def test_with_no_worker_up_a_command_is_left_for_later(api: Api) -> None:
    run_id = await api.start()
    began = asyncio.get_running_loop().time()
    answer = await api.post(f"/v1/runs/{run_id}/pause")
    assert answer.status_code == 202
    assert answer.json()["acknowledged"] is False
    assert asyncio.get_running_loop().time() - began < 10


async def test_what_was_left_for_later_stands_in_the_history(api: Api, temporal_client: Client) -> None:
    run_id = await api.start()
    await api.post(f"/v1/runs/{run_id}/messages", {"text": "hello"})
    history = await temporal_client.get_workflow_handle(f"run/{run_id}").fetch_history()
    names = [event.workflow_execution_signaled_event_attributes.signal_name for event in history.events]
    assert "send_message" in names


async def test_while_temporal_is_down_a_command_is_a_503_with_a_time_to_come_back(
    parts: ApiParts, serve: Serve
) -> None:
    async with serve(replace(parts, runs=nowhere())) as api:
        run_id = await api.start()
        await api.record(run_id, ("status/1", StatusChanged(status="running")))
        answer = await api.post(f"/v1/runs/{run_id}/pause")
        check_problem(answer, 503)
        assert int(answer.headers["retry-after"]) >= 1


async def test_a_run_whose_workflow_was_terminated_says_so(api: Api, temporal_client: Client) -> None:
    run_id = await api.start()
    await temporal_client.get_workflow_handle(f"run/{run_id}").terminate("by hand")
    problem = check_problem(await api.post(f"/v1/runs/{run_id}/pause"), 409)
    assert "terminated" in problem["detail"]


async def test_a_run_that_temporal_has_lost_is_a_404(parts: ApiParts, staffed: Api, serve: Serve) -> None:
    async with serve(replace(parts, runs=nowhere())) as api:
        run_id = await api.start()
    await staffed.record(run_id, ("status/1", StatusChanged(status="running")))
    check_problem(await staffed.post(f"/v1/runs/{run_id}/pause"), 404)


async def test_the_sweeper_starts_what_was_taken_in_while_temporal_was_down(
    parts: ApiParts, staffed: Api, serve: Serve
) -> None:
    async with serve(replace(parts, runs=nowhere())) as api:
        run_id = await api.start("swept")
    await Sweeper(staffed.parts, grace_seconds=0).sweep()
    assert (await staffed.post(f"/v1/runs/{run_id}/pause")).json()["acknowledged"]


async def test_a_command_starts_a_queued_run_that_temporal_has_not_seen(
    parts: ApiParts, staffed: Api, serve: Serve
) -> None:
    async with serve(replace(parts, runs=nowhere())) as api:
        run_id = await api.start("cancel me")
    answer = await staffed.post(f"/v1/runs/{run_id}/cancel")
    assert answer.json()["acknowledged"]


async def heard(client: Client, run_id: str) -> list[str]:
    return list(await client.get_workflow_handle(f"run/{run_id}").query("get_heard"))
