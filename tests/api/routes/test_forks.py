import asyncio
from dataclasses import replace
from typing import Any
from uuid import UUID

import pytest
from temporalio.client import Client

from api.forks import Attempt, submission, trail_of
from api.parts import ApiParts
from api.schemas.forks import ForkRequest
from api.submission import run_input
from domain.event import RunEnded, RunStarted, TurnAnswered, WorkspaceOpened
from domain.model import AssistantMessage, Text
from domain.run import RunResult
from domain.sandbox import Enforcement
from domain.snapshot import SnapshotRef
from tests.adapters.journal.samples import answer, returned
from tests.api.conftest import Api, Serve
from tests.api.test_app import check_problem, nowhere


async def worked(api: Api, **more: object) -> str:
    """A run of two turns, the second of which has a call that has not returned."""
    run_id = await api.start("Mend it", verify=["true"], **more)
    enforcement = Enforcement(sandbox="none")
    opened = WorkspaceOpened(
        host_id="h", generation=1, snapshot=SnapshotRef(id="s0", base="empty"), enforcement=enforcement
    )
    both = answer(2, tools=("bash", "bash"))
    events = (answer(1), returned("turn/1/call/0", snapshot="s1"), both, returned("turn/2/call/0", snapshot="s2"))
    await api.record(run_id, ("started", RunStarted()), ("workspace/1", opened))
    await api.record(run_id, *((one.key, one.event) for one in events))
    return run_id


async def test_a_fork_is_there_at_once_and_shows_where_it_comes_from(api: Api, temporal_client: Client) -> None:
    run_id = await worked(api, limits={"turns": 10, "cost_usd": 2.0})
    response = await api.post(f"/v1/runs/{run_id}/fork", {"at": "turn/1"})
    assert response.status_code == 202, response.text
    body = response.json()
    assert (body["parent"], body["at"], body["race"]) == (run_id, "turn/1", None)
    (made,) = body["runs"]
    assert response.headers["location"] == f"/v1/runs/{made['id']}"
    run = (await api.get(f"/v1/runs/{made['id']}")).json()
    assert run["status"] == "queued"
    assert run["lineage"] == {
        "parent": run_id,
        "at": "turn/1",
        "root": run_id,
        "snapshot_id": "s1",
        "turns": 1,
        "cost_usd": 0.25,
        "race": None,
        "replaces": False,
    }
    assert (run["turn"], run["cost_usd"], run["snapshot_id"]) == (1, 0.0, "s1")
    assert (run["limits_left"]["turns"], run["limits_left"]["cost_usd"]) == (9, 1.75)
    keys = [one["key"] for one in (await api.get(f"/v1/runs/{made['id']}/events")).json()["items"]]
    assert keys == ["submitted", "turn/1", "turn/1/call/0/returned", "forked"]
    given = await temporal_client.get_workflow_handle(f"run/{made['id']}").describe()
    found = {pair.key.name: pair.value for pair in given.typed_search_attributes}
    assert found["ParentRun"] == run_id
    assert (await api.get(f"/v1/runs/{made['id']}/usage")).json()["turns"] == []


async def test_a_fork_taken_in_while_temporal_is_down_is_started_as_one_later(
    parts: ApiParts, api: Api, serve: Serve
) -> None:
    run_id = await worked(api)
    async with serve(replace(parts, runs=nowhere())) as cut_off:
        (made,) = (await cut_off.post(f"/v1/runs/{run_id}/fork", {"at": "turn/1"})).json()["runs"]
    started = run_input(await parts.journal.summary(made["id"]), parts.settings)
    assert started.fork is not None
    assert (started.fork.parent, started.fork.turn, started.fork.phase) == (run_id, 1, "work")


async def test_without_a_point_a_fork_begins_at_the_newest_one(api: Api) -> None:
    run_id = await worked(api)
    body = (await api.post(f"/v1/runs/{run_id}/fork")).json()
    assert body["at"] == "turn/2/call/0"
    assert body["runs"][0]["lineage"]["turns"] == 2


@pytest.mark.parametrize(
    ("asked", "status", "says"),
    [
        ({"at": "turn/7"}, 422, "no turn 7"),
        ({"at": "turn/1/call/4"}, 422, "1 calls"),
        ({"at": "yesterday"}, 422, "no point"),
        ({"at": "turn/2"}, 409, "turn/2/call/1 has not returned"),
        ({"at": "turn/2/call/1"}, 409, "has not returned"),
        ({"model": "nobody:nothing"}, 422, "nobody"),
        ({"count": 0}, 422, "count"),
        ({"count": 17}, 422, "count"),
        ({"keep": "last"}, 422, "keep"),
        ({"limits": {"turns": 0}}, 422, "limits.turns"),
        ({"count": 3, "variants": [{"message": "a"}, {"message": "b"}]}, 422, "variants"),
        ({"where": "turn/1"}, 422, "where"),
    ],
)
async def test_what_cannot_be_forked_is_refused_with_the_reason(
    api: Api, asked: dict[str, Any], status: int, says: str
) -> None:
    run_id = await worked(api)
    problem = check_problem(await api.post(f"/v1/runs/{run_id}/fork", asked), status)
    assert says in str(problem)
    assert problem["next_step"]
    assert len((await api.get("/v1/runs")).json()["items"]) == 1


async def test_a_run_without_a_workspace_or_without_checks_cannot_be_forked_like_that(api: Api) -> None:
    fresh = await api.start()
    assert "no workspace" in check_problem(await api.post(f"/v1/runs/{fresh}/fork"), 409)["detail"]
    unchecked = {"count": 2, "keep": "first_verified"}
    assert "verify" in check_problem(await api.post(f"/v1/runs/{fresh}/fork", unchecked), 422)["detail"]


async def test_the_same_key_and_body_fork_once_even_where_the_parent_went_on(api: Api) -> None:
    run_id = await worked(api)
    key, asked = {"Idempotency-Key": "once"}, {"count": 3, "keep": "first_verified"}
    first = (await api.post(f"/v1/runs/{run_id}/fork", asked, headers=key)).json()
    assert len({one["id"] for one in first["runs"]}) == 3
    await api.record(run_id, *[(one.key, one.event) for one in (returned("turn/2/call/1", snapshot="s3"), answer(3))])
    again = await asyncio.gather(*(api.post(f"/v1/runs/{run_id}/fork", asked, headers=key) for _ in range(4)))
    for response in again:
        assert response.headers["idempotent-replayed"] == "true"
        body = response.json()
        assert [one["id"] for one in body["runs"]] == [one["id"] for one in first["runs"]]
        assert (body["at"], body["race"]) == (first["at"], first["race"])
    assert len((await api.get(f"/v1/runs?parent={run_id}")).json()["items"]) == 3
    other = await api.post(f"/v1/runs/{run_id}/fork", {**asked, "count": 2}, headers=key)
    assert "Idempotency-Key" in check_problem(other, 422)["detail"]


async def test_what_a_server_that_died_in_between_did_not_make_is_made_when_asked_again(api: Api) -> None:
    run_id = await worked(api)
    journal = api.parts.journal
    asked = ForkRequest(count=3, keep="first_verified")
    cut = (await trail_of(journal, run_id)).cut()
    first = Attempt(run_id=str(UUID(int=7)), owner="admin", by="admin", message=None, model=None, race="x", key="k")
    await journal.submit(await submission(await journal.summary(run_id), cut, asked, first, api.parts))
    await api.record(run_id, *[(one.key, one.event) for one in (returned("turn/2/call/1", snapshot="s3"), answer(3))])
    body = {"count": 3, "keep": "first_verified"}
    made = (await api.post(f"/v1/runs/{run_id}/fork", body, headers={"Idempotency-Key": "k"})).json()
    assert [one["id"] for one in made["runs"]].index(first.run_id) == 0
    assert {(one["lineage"]["at"], one["lineage"]["race"]) for one in made["runs"]} == {("turn/2/call/0", "x")}
    assert len({one["id"] for one in made["runs"]}) == 3


async def test_variants_begin_with_messages_of_their_own(api: Api) -> None:
    run_id = await worked(api)
    asked = {"at": "turn/1", "variants": [{"message": "One way"}, {"message": "Another", "model": "scripted:other"}]}
    runs = (await api.post(f"/v1/runs/{run_id}/fork", asked)).json()["runs"]
    assert [one["model"] for one in runs] == ["scripted:demo", "scripted:other"]
    for one, text in zip(runs, ("One way", "Another"), strict=True):
        phases = (await api.get(f"/v1/runs/{one['id']}/conversation")).json()["phases"]
        assert phases[-1]["messages"][-1]["text"] == text


async def test_an_answer_without_calls_is_followed_by_a_reminder(api: Api) -> None:
    run_id = await worked(api)
    silent = TurnAnswered.model_validate(
        {**dict(answer(3).event), "message": AssistantMessage(blocks=(Text(text="Hm."),)), "stop": "end"}
    )
    await api.record(run_id, ("turn/2/call/1/returned", returned("turn/2/call/1").event), ("turn/3", silent))
    (made,) = (await api.post(f"/v1/runs/{run_id}/fork")).json()["runs"]
    phases = (await api.get(f"/v1/runs/{made['id']}/conversation")).json()["phases"]
    assert "called no tool" in phases[-1]["messages"][-1]["text"]


async def test_a_rewound_run_shows_what_supersedes_it(api: Api) -> None:
    run_id = await worked(api)
    await api.record(run_id, ("ended", RunEnded(result=RunResult(status="failed", summary="no"))))
    (made,) = (await api.post(f"/v1/runs/{run_id}/rewind", {"at": "turn/1", "message": "Otherwise."})).json()["runs"]
    assert made["lineage"]["replaces"] is True
    parent = (await api.get(f"/v1/runs/{run_id}")).json()
    assert (parent["superseded_by"], parent["status"]) == (made["id"], "failed")
    (later,) = (await api.post(f"/v1/runs/{run_id}/rewind", {"at": "turn/1"})).json()["runs"]
    assert (await api.get(f"/v1/runs/{run_id}")).json()["superseded_by"] == later["id"]


async def test_only_who_may_steer_a_run_may_fork_it(api: Api, journal: Any) -> None:
    for role in ("viewer", "submitter"):
        await journal.add_token(f"token-of-{role}", f"some-{role}", role, "test")
    run_id = await worked(api)
    for role, status in (("viewer", 403), ("submitter", 404)):
        headers = api.as_owner(f"token-of-{role}")
        check_problem(await api.post(f"/v1/runs/{run_id}/fork", headers=headers), status)
        check_problem(await api.post(f"/v1/runs/{run_id}/rewind", headers=headers), status)


async def test_the_examples_of_the_document_can_be_used(api: Api) -> None:
    schemas = (await api.get("/openapi.json")).json()["components"]["schemas"]
    run_id = await worked(api)
    for example in schemas["ForkRequest"]["examples"]:
        asked = {**example, "at": "turn/1"}
        assert (await api.post(f"/v1/runs/{run_id}/fork", asked)).status_code == 202
