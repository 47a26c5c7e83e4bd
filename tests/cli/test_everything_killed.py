"""kill -9 of everything at once, and `up` again: the run finishes, with the same snapshot."""

import contextlib
import json
import os
import signal
import time
from collections.abc import Callable
from typing import Any

import httpx2
import psutil

from adapters.models.scripted import ScriptedServer
from tests.cli.conftest import Up
from tests.workflows.scripts import SLOW

SLOW_CALL = "turn/2/call/0"
PATIENCE_SECONDS = 60.0


def test_a_run_outlives_everything(upped: Callable[..., Up], scripted: ScriptedServer) -> None:
    scripted.add("slow", SLOW)
    first = upped(SCRIPTED_BASE_URL=scripted.base_url)
    expected = finished(first, submit(first))
    scripted.clear()
    run_id = submit(first)
    until(first, run_id, lambda keys: f"{SLOW_CALL}/started/1" in keys)
    time.sleep(1)
    everything = [psutil.Process(first.process.pid), *first.family()]
    for one in everything:
        # Those that we come to last have died with their parent by then.
        with contextlib.suppress(ProcessLookupError):
            os.kill(one.pid, signal.SIGKILL)
    _, alive = psutil.wait_procs(everything, timeout=15)
    assert alive == []
    again = upped(SCRIPTED_BASE_URL=scripted.base_url)
    result = finished(again, run_id)
    assert result["snapshot_id"] == expected["snapshot_id"]
    assert scripted.counts().asked == 6
    keys = [event["key"] for event in events(again, run_id)]
    assert f"{SLOW_CALL}/redone/1" in keys
    assert len(keys) == len(set(keys))


def submit(up: Up) -> str:
    asked = {"task": "Log", "model": "scripted:slow", "plan": False}
    answer = httpx2.post(f"{up.answers['api']}/v1/runs", json=asked, headers=bearer(up))
    assert answer.status_code == 201, answer.text
    return str(answer.json()["id"])


def finished(up: Up, run_id: str) -> dict[str, Any]:
    until(up, run_id, lambda keys: "ended" in keys)
    run = httpx2.get(f"{up.answers['api']}/v1/runs/{run_id}", headers=bearer(up)).json()
    assert run["status"] == "completed", json.dumps(run, indent=1)
    result: dict[str, Any] = run["result"]
    return result


def until(up: Up, run_id: str, holds: Callable[[list[str]], bool]) -> None:
    deadline = time.monotonic() + PATIENCE_SECONDS
    while not holds(keys := [event["key"] for event in events(up, run_id)]):
        assert time.monotonic() < deadline, (keys, up.said[-40:])
        time.sleep(0.1)


def events(up: Up, run_id: str) -> list[dict[str, Any]]:
    answer = httpx2.get(f"{up.answers['api']}/v1/runs/{run_id}/events?limit=500", headers=bearer(up))
    assert answer.status_code == 200, answer.text
    items: list[dict[str, Any]] = answer.json()["items"]
    return items


def bearer(up: Up) -> dict[str, str]:
    return {"Authorization": f"Bearer {up.answers['token']}"}
