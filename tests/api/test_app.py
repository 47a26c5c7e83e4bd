import asyncio
import json
import logging
import re
import subprocess
import sys
from dataclasses import replace
from pathlib import Path
from typing import Any

import httpx2
import pytest
from pydantic import TypeAdapter

from adapters.blobs import ObjectBlobs
from adapters.journal.postgres import PostgresJournal
from api.errors import BODY_MAX_BYTES
from api.parts import ApiParts
from api.runs import TemporalRuns
from domain.errors import WorldError
from tests.api.conftest import TOKEN, Api, Serve

ROOT = Path(__file__).parent.parent.parent


def check_problem(answer: httpx2.Response, status: int) -> dict[str, Any]:
    assert answer.status_code == status, answer.text
    assert answer.headers["content-type"] == "application/problem+json"
    problem = answer.json()
    assert problem["status"] == status
    assert problem["title"]
    assert problem["detail"]
    assert problem["instance"] == answer.request.url.path
    return dict(problem)


async def test_nothing_under_v1_answers_without_a_token(shared_api: Api) -> None:
    document = (await shared_api.get("/openapi.json")).json()
    for path, operations in document["paths"].items():
        if path in ("/healthz", "/readyz"):
            continue
        for method in operations:
            url = path.replace("{run_id}", "019a3f6e-7c1f-7d00-8000-2b1c5c9f0a11").replace("{", "").replace("}", "")
            answer = await shared_api.client.request(method, url, headers={"Authorization": ""}, content=b"not json")
            check_problem(answer, 401)
            assert answer.headers["www-authenticate"] == "Bearer"


@pytest.mark.parametrize("header", ["Bearer wrong", f"Basic {TOKEN}", "Bearer", "Bearer ?", "Bearer caf\u00e9"])
async def test_a_token_that_is_not_known_is_refused(shared_api: Api, header: str) -> None:
    answer = await shared_api.get("/v1/runs", headers={"Authorization": header.encode()})
    check_problem(answer, 401)


async def test_paths_that_do_not_exist_are_no_way_around_the_token(shared_api: Api) -> None:
    check_problem(await shared_api.get("/v1/nothing", headers={"Authorization": ""}), 401)
    check_problem(await shared_api.get(f"{shared_api.url}//v1/runs", headers={"Authorization": ""}), 401)
    check_problem(await shared_api.get("/v1/nothing"), 404)


@pytest.mark.parametrize("path", ["/healthz", "/docs", "/openapi.json", "/"])
async def test_what_shows_no_data_needs_no_token(shared_api: Api, path: str) -> None:
    assert (await shared_api.get(path, headers={"Authorization": ""})).status_code == 200


async def test_the_docs_and_the_root_page_name_no_outside_host(shared_api: Api) -> None:
    for path in ("/docs", "/redoc", "/"):
        page = (await shared_api.get(path)).text
        hosts = re.findall(r"(?:src|href)=\"?(?:https?:)?//([^/\"']+)", page)
        assert all(host.startswith("127.0.0.1") for host in hosts), hosts
        for link in re.findall(r"(?:src|href)=\"(/[^\"]+)\"", page):
            assert (await shared_api.get(link)).status_code == 200, link


async def test_a_token_in_the_query_opens_event_streams_only_and_is_never_logged(
    api: Api, caplog: pytest.LogCaptureFixture
) -> None:
    run_id = await api.start()
    stream = {"Accept": "text/event-stream", "Authorization": ""}
    with caplog.at_level(logging.DEBUG):
        logging.getLogger("uvicorn.access").setLevel(logging.DEBUG)
        url = f"/v1/runs/{run_id}/events?after=0&token={TOKEN}"
        async with api.client.stream("GET", url, headers=stream) as answer:
            assert answer.status_code == 200
        check_problem(await api.get(url, headers={"Authorization": ""}), 401)
        check_problem(await api.post(f"/v1/runs?token={TOKEN}", {"task": "t"}, headers=stream), 401)
    ours = [record.getMessage() for record in caplog.records if record.name.startswith(("uvicorn", "perdure"))]
    assert any("/events?after=0" in line for line in ours)
    assert not any(TOKEN in line for line in ours)


async def test_a_body_of_a_megabyte_is_refused_before_it_is_parsed(shared_api: Api) -> None:
    for body in (json.dumps({"task": "x" * BODY_MAX_BYTES}).encode(), b"[" * (BODY_MAX_BYTES + 1)):
        problem = check_problem(await shared_api.client.post("/v1/runs", content=body), 413)
        assert "1,000,000 bytes" in problem["next_step"]


async def test_a_body_that_lies_about_its_length_is_refused_too(shared_api: Api) -> None:
    async def chunks() -> Any:
        for _ in range(12):
            yield b" " * 100_000

    check_problem(await shared_api.client.post("/v1/runs", content=chunks()), 413)


async def test_what_is_not_json_is_said_to_be_so(shared_api: Api) -> None:
    json_type = {"Content-Type": "application/json"}
    problem = check_problem(await shared_api.client.post("/v1/runs", content=b'{"task": ', headers=json_type), 422)
    assert problem["errors"][0]["field"] == "body"
    assert "not JSON" in problem["errors"][0]["message"]
    for body, headers in ((b'{"task": "t"}', {}), (b"", json_type), (b"[]", json_type)):
        problem = check_problem(await shared_api.client.post("/v1/runs", content=body, headers=headers), 422)
        assert "JSON object" in problem["errors"][0]["message"]


async def test_a_method_that_a_path_does_not_take_is_a_problem(shared_api: Api) -> None:
    answer = await shared_api.client.delete("/v1/runs")
    assert "DELETE" in check_problem(answer, 405)["detail"]
    assert answer.headers["allow"]


async def test_a_defect_is_said_to_be_one_and_shows_no_inside(parts: ApiParts, serve: Serve) -> None:
    class BrokenModels:
        def catalogue(self) -> list[object]:
            raise RuntimeError("secret inside")

    async with serve(replace(parts, models=BrokenModels())) as api:
        problem = check_problem(await api.get("/v1/models"), 500)
    assert "secret" not in json.dumps(problem)


async def test_an_address_with_a_nul_character_is_refused(shared_api: Api) -> None:
    for path in ("/v1/runs?agent=a%00b", "/v1/runs/a%00b", "/v1/runs?label=a%3D%00"):
        check_problem(await shared_api.get(path), 422)


async def test_every_answer_is_safe_to_open_in_a_browser(shared_api: Api) -> None:
    for path in ("/", "/v1/runs", "/nothing"):
        headers = (await shared_api.get(path)).headers
        assert headers["referrer-policy"] == "no-referrer"
        assert headers["x-content-type-options"] == "nosniff"


async def test_readiness_names_each_dependency(api: Api, staffed: Api) -> None:
    answer = await api.get("/readyz", headers={"Authorization": ""})
    assert answer.status_code == 200
    assert answer.json()["status"] == "degraded"
    assert {name: one["ok"] for name, one in answer.json()["checks"].items()} == {
        "postgres": True,
        "temporal": True,
        "blobs": True,
        "worker": False,
    }
    assert (await staffed.get("/readyz")).json()["status"] == "ready"


async def test_readiness_is_refused_while_temporal_is_down(parts: ApiParts, serve: Serve) -> None:
    async with serve(replace(parts, runs=nowhere())) as api:
        answer = await api.get("/readyz")
        assert answer.status_code == 503
        assert not answer.json()["checks"]["temporal"]["ok"]
        assert answer.json()["checks"]["postgres"]["ok"]


async def test_a_postgres_that_is_gone_is_a_503_with_a_time_to_come_back(
    parts: ApiParts, database_url: str, serve: Serve
) -> None:
    closed = await PostgresJournal.connect(database_url, ObjectBlobs("memory://"))
    await closed.close()
    async with serve(replace(parts, journal=closed)) as api:
        answer = await api.get("/v1/runs")
        check_problem(answer, 503)
        assert int(answer.headers["retry-after"]) >= 1
        assert (await api.get("/readyz")).status_code == 503


async def test_metrics_count_runs_and_requests_under_bounded_labels(api: Api) -> None:
    run_id = await api.start()
    await api.get(f"/v1/runs/{run_id}")
    await api.get("/v1/whatever/somebody/types")
    page = (await api.get("/metrics")).text
    assert 'perdure_runs{status="queued"} 1.0' in page
    assert 'perdure_runs{status="failed"} 0.0' in page
    assert 'route="/v1/runs/{run_id}",status="200"' in page
    assert run_id not in page
    assert "somebody" not in page


def test_the_api_starts_without_any_vendor_of_models() -> None:
    loaded = "import sys, api.app; print([name for name in ('openai', 'anthropic', 'docker') if name in sys.modules])"
    command = [sys.executable, "-c", loaded]
    assert subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=True).stdout.strip() == "[]"


def nowhere() -> TemporalRuns:
    async def connect() -> Any:
        await asyncio.sleep(0)
        raise WorldError("nobody is there")

    return TemporalRuns(connect, "nowhere")


async def test_the_openapi_document_is_whole(shared_api: Api) -> None:
    document = (await shared_api.get("/openapi.json")).json()
    assert document["openapi"].startswith("3.1")
    named = set(re.findall(r'"\$ref": ?"([^"]+)"', json.dumps(document)))
    assert named <= {f"#/components/schemas/{name}" for name in document["components"]["schemas"]}
    operations = [one for path in document["paths"].values() for one in path.values()]
    names = [operation["operationId"] for operation in operations]
    assert len(set(names)) == len(names)
    for operation in operations:
        assert operation["tags"]
        assert operation["summary"]
        for status, answer in operation["responses"].items():
            if status.startswith(("4", "5")) and "/readyz" not in operation["operationId"]:
                assert (
                    list(answer["content"]) == ["application/problem+json"] or "readiness" in operation["operationId"]
                )
    examples = document["components"]["schemas"]["RunRequest"]["examples"]
    for example in examples:
        TypeAdapter(dict[str, Any]).validate_python(example)
        assert (await shared_api.post("/v1/runs", example)).status_code == 201
