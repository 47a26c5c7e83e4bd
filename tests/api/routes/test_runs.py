import asyncio
from dataclasses import replace
from typing import Any
from uuid import UUID

import pytest
from temporalio.client import Client

from adapters.forges import make_forges
from adapters.settings import load_settings
from api.parts import ApiParts
from domain.approval import Plan, PlanStep
from domain.event import LimitsRaised, PlanAccepted, RunEnded, RunStarted, StatusChanged, TurnAnswered
from domain.limits import Limits
from domain.model import AssistantMessage, Text, Usage
from domain.run import TASK_MAX_CHARACTERS, RunResult
from tests.api.conftest import MODEL, Api, Serve
from tests.api.test_app import check_problem, nowhere

FULL = {
    "task": "Fix the failing test\nin tests/test_slug.py",
    "repository": {"url": "https://example.com/team/app.git", "ref": "main"},
    "agent": "coder",
    "model": MODEL,
    "plan_approval": True,
    "tool_policy": "default",
    "publish": "branch",
    "verify": ["pytest -q"],
    "limits": {"turns": 10, "cost_usd": 1.5, "seconds": 1800},
    "priority": 2,
    "session_id": None,
    "labels": {"team": "web"},
    "webhook_url": None,
}


def answered(turn: int, cost: float = 0.25) -> TurnAnswered:
    return TurnAnswered(
        turn=turn,
        phase="work",
        message=AssistantMessage(blocks=(Text(text="done"),)),
        stop="end",
        model="demo",
        usage=Usage(input_tokens=100, cache_read_tokens=900, output_tokens=20),
        cost_usd=cost,
        seconds=1.5,
    )


async def test_a_run_is_there_at_once_with_no_worker_up(api: Api) -> None:
    answer = await api.post("/v1/runs", FULL)
    assert answer.status_code == 201
    run = answer.json()
    assert UUID(run["id"]).version == 7
    assert answer.headers["location"] == f"/v1/runs/{run['id']}"
    assert run["status"] == "queued"
    assert run["title"] == "Fix the failing test"
    assert run["limits"] == {"turns": 10, "tokens": None, "cost_usd": 1.5, "seconds": 1800}
    assert run["links"]["temporal_ui"].endswith(f"/namespaces/default/workflows/run%2F{run['id']}")
    assert (await api.get(answer.headers["location"])).json() == run
    listed = (await api.get("/v1/runs")).json()
    assert [one["id"] for one in listed["items"]] == [run["id"]]
    assert listed["next_cursor"] is None


async def test_only_a_task_is_required(api: Api) -> None:
    run = (await api.post("/v1/runs", {"task": "Say hello"})).json()
    assert run["model"] == MODEL
    assert run["publish"] == "none"
    assert run["repository"] is None


async def test_a_pull_request_is_taken_in_as_it_is_asked_for(staffed: Api, temporal_client: Client) -> None:
    asked = {"labels": ["agent"], "reviewers": ["ada"], "base": "main"}
    answer = await staffed.post("/v1/runs", {**FULL, "publish": None, "pull_request": asked})
    run = answer.json()
    assert (answer.status_code, run["publish"], run["pull_request"]) == (201, "pull_request", None)
    given = await temporal_client.get_workflow_handle(f"run/{run['id']}").query("get_given")
    assert given["publish"] == "pull_request"
    spec = (await staffed.parts.journal.summary(run["id"])).spec.pull_request
    assert (spec.labels, spec.reviewers, spec.base) == (("agent",), ("ada",), "main")


@pytest.mark.parametrize(
    ("environment", "said"),
    [({"PERDURE_GITHUB_HOSTS": "example.com"}, "GITHUB_APP_KEY_PATH"), ({"GITHUB_TOKEN": "t"}, "PERDURE_GITHUB_HOSTS")],
)
async def test_a_pull_request_that_no_forge_takes_is_refused_with_what_to_set(
    parts: ApiParts, serve: Serve, environment: dict[str, str], said: str
) -> None:
    forges = make_forges(load_settings(environment))
    async with serve(replace(parts, forges=forges)) as api:
        answer = await api.post("/v1/runs", {**FULL, "publish": "pull_request"})
    assert answer.status_code == 422
    assert said in answer.json()["next_step"]


async def test_the_workflow_is_started_with_decisions_and_never_the_task(staffed: Api, temporal_client: Client) -> None:
    run_id = (await staffed.post("/v1/runs", FULL)).json()["id"]
    described = await temporal_client.get_workflow_handle(f"run/{run_id}").describe()
    assert await described.static_summary() == "Fix the failing test"
    found = {pair.key.name: pair.value for pair in described.typed_search_attributes}
    assert found["Agent"] == "coder"
    assert found["Owner"] == "admin"
    assert found["Repository"] == "https://example.com/team/app.git"
    given = await temporal_client.get_workflow_handle(f"run/{run_id}").query("get_given")
    assert given["limits"]["turns"] == 10
    assert given["plan_approval"] is True
    assert "tests/test_slug.py" not in str(given)


async def test_the_same_key_and_body_answer_with_the_same_run(api: Api) -> None:
    key = {"Idempotency-Key": "once"}
    answers = await asyncio.gather(*(api.post("/v1/runs", FULL, headers=key) for _ in range(8)))
    assert {answer.status_code for answer in answers} == {201}
    assert len({answer.json()["id"] for answer in answers}) == 1
    assert sum("idempotent-replayed" in answer.headers for answer in answers) == 7
    assert len((await api.get("/v1/runs")).json()["items"]) == 1
    reordered = dict(reversed(FULL.items()))
    assert (await api.post("/v1/runs", reordered, headers=key)).json()["id"] == answers[0].json()["id"]


async def test_the_same_key_with_another_body_is_refused(api: Api) -> None:
    key = {"Idempotency-Key": "once"}
    await api.post("/v1/runs", FULL, headers=key)
    problem = check_problem(await api.post("/v1/runs", {**FULL, "task": "Something else"}, headers=key), 422)
    assert "Idempotency-Key" in problem["detail"]


@pytest.mark.parametrize(
    ("change", "field", "says"),
    [
        ({"task": ""}, "task", "at least 1"),
        ({"task": " \n "}, "task", "blank"),
        ({"task": "x" * (TASK_MAX_CHARACTERS + 1)}, "task", "200000"),
        ({"task": "a\0b"}, "body", "NUL"),
        ({"agent": "wizard"}, "agent", "coder"),
        ({"tool_policy": "anything"}, "tool_policy", "default"),
        ({"model": "nobody:nothing"}, "model", "openai"),
        ({"model": "openai:gpt-5"}, "model", "OPENAI_API_KEY"),
        ({"publish": "pull_request"}, "publish", "branch"),
        ({"publish": "branch", "repository": None}, "publish", "repository"),
        ({"limits": {"turns": 0}}, "limits.turns", "1"),
        ({"limits": {"verify_rounds": None}}, "limits.verify_rounds", "integer"),
        ({"limts": {}}, "limts", "not permitted"),
        ({"priority": 9}, "priority", "5"),
        ({"session_id": "s"}, "session_id", "None"),
        ({"repository": {"url": "ssh://git@example.com/app"}}, "repository.url", "https://"),
        ({"repository": {"url": "file:///srv/app"}}, "repository.url", "path alone"),
        ({"repository": {"url": "app"}}, "repository.url", "https://"),
        ({"repository": {"url": "https://"}}, "repository.url", "https://"),
        ({"repository": {"url": "https://user:pass@example.com/app"}}, "repository.url", "password"),
        ({"repository": {"url": "https://example.com:port/app"}}, "repository.url", "URL"),
        ({"repository": {"url": "https://[::1/app"}}, "repository.url", "URL"),
        ({"repository": {"url": "https://example.com/a b"}}, "repository.url", "%20"),
        ({"repository": {"url": "/srv/../etc"}}, "repository.url", ".."),
        ({"repository": {"url": "/srv/a\nb"}}, "repository.url", "control"),
        ({"repository": {"url": "/srv/app", "ref": "--upload-pack=x"}}, "repository.ref", "branch"),
        ({"repository": {"url": "/srv/app", "ref": "a..b"}}, "repository.ref", "branch"),
        ({"labels": {"k": "v" * 300}}, "labels.k", "200"),
    ],
)
async def test_what_cannot_be_used_is_refused_with_what_to_do(
    shared_api: Api, change: dict[str, Any], field: str, says: str
) -> None:
    problem = check_problem(await shared_api.post("/v1/runs", {"task": "t", **change}), 422)
    assert field in str(problem)
    assert says in str(problem)
    assert problem["next_step"]
    assert (await shared_api.get("/v1/runs")).json()["items"] == []


async def test_half_a_surrogate_pair_is_refused(shared_api: Api) -> None:
    headers = {"Content-Type": "application/json"}
    check_problem(await shared_api.client.post("/v1/runs", content=b'{"task": "\\ud800"}', headers=headers), 422)


async def test_a_repository_outside_of_what_the_operator_allows_is_refused(parts: ApiParts, serve: Serve) -> None:
    settings = replace(parts.settings, allowed_paths=("/srv/git",), allowed_hosts=("example.com",))
    async with serve(replace(parts, settings=settings)) as api:
        for url in ("/srv/other", "/srv/github", "https://elsewhere.example/app"):
            check_problem(await api.post("/v1/runs", {"task": "t", "repository": {"url": url}}), 422)
        for url in ("/srv/git/app", "https://example.com/app"):
            assert (await api.post("/v1/runs", {"task": "t", "repository": {"url": url}})).status_code == 201


async def test_without_any_model_the_answer_says_what_to_set(parts: ApiParts, serve: Serve) -> None:
    async with serve(replace(parts, settings=replace(parts.settings, default_model=None))) as api:
        problem = check_problem(await api.post("/v1/runs", {"task": "t"}), 422)
        assert "PERDURE_MODEL" in problem["next_step"]
        assert "scripted:" in problem["next_step"]


async def test_a_run_is_taken_in_while_temporal_is_down(parts: ApiParts, serve: Serve) -> None:
    async with serve(replace(parts, runs=nowhere())) as api:
        run_id = await api.start()
        assert (await api.get(f"/v1/runs/{run_id}")).json()["status"] == "queued"


async def test_lists_are_filtered_and_paged(api: Api) -> None:
    ids = [await api.start(f"task {number}", labels={"n": str(number % 2)}) for number in range(5)]
    await api.record(ids[0], ("ended", RunEnded(result=RunResult(status="failed", summary="no"))))
    await api.record(ids[1], ("status/1", StatusChanged(status="waiting", waiting_for="plan_approval")))

    async def listed(query: str) -> list[str]:
        return [one["id"] for one in (await api.get(f"/v1/runs?{query}")).json()["items"]]

    assert await listed("status=failed") == [ids[0]]
    assert await listed("waiting_for=plan_approval") == [ids[1]]
    assert await listed("label=n=1") == [ids[3], ids[1]]
    assert await listed("agent=reviewer") == []
    assert len(await listed("owner=admin&created_after=2020-01-01T00:00:00")) == 5
    seen, cursor = [], ""
    while cursor is not None:
        page = (await api.get("/v1/runs", params={"limit": 2, **({"cursor": cursor} if cursor else {})})).json()
        seen += [one["id"] for one in page["items"]]
        cursor = page["next_cursor"]
    assert seen == ids[::-1]


@pytest.mark.parametrize(
    "query", ["status=odd", "limit=0", "limit=1000", "label=x", "created_after=soon", "cursor=%F0"]
)
async def test_a_list_that_cannot_be_made_is_refused(shared_api: Api, query: str) -> None:
    check_problem(await shared_api.get(f"/v1/runs?{query}"), 422)


async def test_a_run_shows_where_it_stands(api: Api) -> None:
    run_id = await api.start(limits={"turns": 3, "tokens": 1000, "seconds": None})
    plan = Plan(summary="Mend it", steps=(PlanStep(title="look"),))
    await api.record(
        run_id,
        ("started", RunStarted()),
        ("plan/1/accepted", PlanAccepted(plan=plan)),
        ("turn/1", answered(1)),
        ("turn/2", answered(2)),
        ("limits/1", LimitsRaised(limits=Limits(turns=6, tokens=1000, cost_usd=2.0), by="ann")),
        ("status/1", StatusChanged(status="waiting", waiting_for="human_answer", reason="asks for a name")),
    )
    run = (await api.get(f"/v1/runs/{run_id}")).json()
    assert (run["status"], run["waiting_for"], run["waiting_reason"]) == ("waiting", "human_answer", "asks for a name")
    assert run["waiting_since"].endswith("Z")
    assert run["plan"]["steps"] == [{"title": "look", "detail": ""}]
    assert run["turn"] == 2
    assert run["usage"]["cache_read_tokens"] == 1800
    assert run["limits_left"] == {"turns": 4, "tokens": 760, "cost_usd": 1.5, "seconds": None}


@pytest.mark.parametrize("run_id", ["nothing", "019a3f6e-7c1f-7d00-8000-2b1c5c9f0a11", "%2e%2e", "caf%C3%A9"])
async def test_a_run_that_is_not_there_is_a_404(shared_api: Api, run_id: str) -> None:
    for path in ("", "/events", "/diff", "/files", "/conversation", "/snapshots", "/usage", "/approvals"):
        check_problem(await shared_api.get(f"/v1/runs/{run_id}{path}"), 404)


async def test_each_role_may_do_what_it_is_for(api: Api, journal: Any) -> None:
    tokens = {role: {"Authorization": f"Bearer token-of-{role}"} for role in ("viewer", "submitter", "approver")}
    for role in tokens:
        await journal.add_token(f"token-of-{role}", f"some-{role}", role, "test")
    others = await api.start()
    own = (await api.post("/v1/runs", {"task": "mine"}, headers=tokens["submitter"])).json()
    assert own["owner"] == "some-submitter"
    for role in ("viewer", "approver"):
        check_problem(await api.post("/v1/runs", {"task": "t"}, headers=tokens[role]), 403)
        check_problem(await api.post(f"/v1/runs/{own['id']}/pause", headers=tokens[role]), 403)
        assert len((await api.get("/v1/runs", headers=tokens[role])).json()["items"]) == 2
    mine = (await api.get("/v1/runs", headers=tokens["submitter"])).json()["items"]
    assert [one["id"] for one in mine] == [own["id"]]
    check_problem(await api.get(f"/v1/runs/{others}", headers=tokens["submitter"]), 404)
    check_problem(await api.post(f"/v1/runs/{others}/cancel", headers=tokens["submitter"]), 404)
    check_problem(await api.get("/v1/runs?owner=admin", headers=tokens["submitter"]), 403)
    stats = (await api.get("/v1/stats", headers=tokens["submitter"])).json()
    assert [(line["name"], line["runs"]) for line in stats["by_owner"]] == [("some-submitter", 1)]
