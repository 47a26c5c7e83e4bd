"""The scripted model's HTTP face: counts, faults, problems."""

import asyncio
import time
from typing import Any

import httpx2
import pytest

from adapters.models import ProviderModels
from adapters.models.endpoint import Patience
from adapters.models.scripted import Fault, ScriptedServer
from domain.errors import ProviderRefused, ProviderUnavailable
from tests.adapters.models.asking import WIRES, ask

HEADERS = {"authorization": "Bearer x", "anthropic-version": "2023-06-01"}
QUICK = Patience(read_seconds=0.3, total_seconds=5)


def name(wire: str, script: str) -> str:
    return f"scripted:{script}" if wire == "openai" else f"scripted:anthropic/{script}"


def post(server: ScriptedServer, path: str, body: Any = None, content: bytes | None = None) -> httpx2.Response:
    return httpx2.post(f"{server.base_url}{path}", json=body, content=content, headers=HEADERS)


async def answered(server: ScriptedServer, wire: str, script: str = "echo@1") -> Exception | None:
    models = ProviderModels({"SCRIPTED_BASE_URL": server.base_url}, patience=QUICK)
    model, own = models.get(name(wire, script))
    try:
        await model.answer(ask(own))
    except (ProviderRefused, ProviderUnavailable) as error:
        return error
    finally:
        await models.close()
    return None


@pytest.mark.parametrize("wire", WIRES)
@pytest.mark.parametrize("kind", ["drop_before", "drop_midway", "hang", "stall", "nonsense", "status"])
async def test_each_fault_is_a_failure_that_passes(scripted: ScriptedServer, wire: str, kind: str):
    scripted.fault(Fault.model_validate({"kind": kind, "seconds": 1}))
    assert isinstance(await answered(scripted, wire), ProviderUnavailable)
    assert await answered(scripted, wire) is None
    counts = scripted.counts()
    assert counts.faults == 1
    assert counts.answered == 1


@pytest.mark.parametrize("wire", WIRES)
async def test_who_hung_up_is_not_counted(scripted: ScriptedServer, wire: str):
    scripted.fault(Fault(kind="hang", seconds=0.5))
    assert isinstance(await answered(scripted, wire), ProviderUnavailable)
    await asyncio.sleep(0.4)
    assert (scripted.counts().asked, scripted.counts().answered) == (0, 0)


@pytest.mark.parametrize("wire", WIRES)
async def test_a_delay_is_only_late(scripted: ScriptedServer, wire: str):
    scripted.fault(Fault(kind="delay", seconds=0.15))
    begun = time.monotonic()
    assert await answered(scripted, wire) is None
    assert time.monotonic() - begun >= 0.15


@pytest.mark.parametrize("wire", WIRES)
@pytest.mark.parametrize(
    ("status", "kind"), [(429, ProviderUnavailable), (529, ProviderUnavailable), (401, ProviderRefused)]
)
async def test_a_status_is_what_was_asked_for(scripted: ScriptedServer, wire: str, status: int, kind: type[Exception]):
    scripted.fault(Fault(kind="status", status=status))
    assert isinstance(await answered(scripted, wire), kind)


async def test_faults_strike_in_turn_after_those_to_skip_and_one_model_only(scripted: ScriptedServer):
    scripted.fault(Fault(kind="status", skip=1, times=2, model="echo@1"))
    outcomes = [await answered(scripted, "openai") is None for _ in range(4)]
    assert outcomes == [True, False, False, True]
    scripted.fault(Fault(kind="status", model="echo@2"))
    assert await answered(scripted, "openai") is None
    assert await answered(scripted, "openai", "echo@2") is not None


@pytest.mark.parametrize("wire", WIRES)
async def test_a_wrong_name_and_an_unmet_expectation_stop_the_run(scripted: ScriptedServer, wire: str):
    assert isinstance(error := await answered(scripted, wire, "nothing"), ProviderRefused)
    assert "does not exist" in error.message
    scripted.add("strict", "conversations: [{turns: [{expect: never said}]}]")
    assert isinstance(error := await answered(scripted, wire, "strict"), ProviderRefused)
    assert "expected 'never said'" in error.message
    assert scripted.counts().refused == 2
    assert "never said" in scripted.counts().problems[-1]


def test_counts_and_faults_are_there_over_http(scripted: ScriptedServer):
    assert post(scripted, "/faults", {"kind": "status", "status": 503}).status_code == 204
    assert post(scripted, "/faults", {"kind": "odd"}).status_code == 422
    assert post(scripted, "/v1/chat/completions", {"model": "echo@1"}).status_code == 503
    post(scripted, "/faults", {"kind": "status"})
    assert httpx2.delete(f"{scripted.base_url}/faults").status_code == 204
    messages = [{"role": "user", "content": "hello"}]
    tools = [{"type": "function", "function": {"name": "bash"}}]
    body = {"model": "echo@1", "messages": messages, "tools": tools}
    whole = post(scripted, "/v1/chat/completions", body)
    assert whole.json()["choices"][0]["finish_reason"] == "tool_calls"
    counts = httpx2.get(f"{scripted.base_url}/counts").json()
    assert (counts["asked"], counts["answered"], counts["faults"]) == (1, 1, 1)
    assert counts["by_turn"] == {"echo@1": {"0": 1}}
    assert [each["first_user"] for each in counts["by_conversation"].values()] == ["hello"]
    assert httpx2.request("DELETE", f"{scripted.base_url}/counts").json()["asked"] == 0


def test_models_are_listed(scripted: ScriptedServer):
    listed = httpx2.get(f"{scripted.base_url}/v1/models").json()
    assert {"demo", "echo"} <= {card["id"] for card in listed["data"]}


@pytest.mark.parametrize("path", ["/v1/chat/completions", "/v1/messages"])
@pytest.mark.parametrize("content", [b"{oops", b"[]", b"\xff"])
def test_a_body_that_is_no_object_is_refused(scripted: ScriptedServer, path: str, content: bytes):
    answer = post(scripted, path, content=content)
    assert answer.status_code == 400
    assert answer.json()["error"]["type"] == "invalid_request_error"


async def test_many_ask_at_once(scripted: ScriptedServer, scripted_models: ProviderModels):
    scripted.add("slow", "{latency_ms: 200, conversations: [{turns: [{text: here}]}]}")
    model, own = scripted_models.get("scripted:slow")
    begun = time.monotonic()
    await asyncio.gather(*(model.answer(ask(own)) for _ in range(50)))
    assert time.monotonic() - begun < 5
    assert scripted.counts().answered == 50
