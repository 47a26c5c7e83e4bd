import asyncio
import json
import os
import signal
import socket
import stat
import time
import urllib.request
from collections.abc import Callable
from pathlib import Path

import psutil

from tests.cli.conftest import Up, perdure


def test_one_line_says_where_everything_answers(up: Up) -> None:
    answers = up.answers
    assert set(answers) == {"api", "token", "temporal", "temporal_ui", "postgres", "home"}
    request = urllib.request.Request(
        f"{answers['api']}/v1/runs", headers={"Authorization": f"Bearer {answers['token']}"}
    )
    with urllib.request.urlopen(request) as answer:
        assert json.load(answer)["next_cursor"] is None
    with urllib.request.urlopen(answers["temporal_ui"]) as page:
        assert b"<html" in page.read()
    for name in ("token", "stack.json"):
        assert stat.S_IMODE((up.home / name).stat().st_mode) == 0o600


def test_a_second_up_is_refused_and_told_of_the_first(up: Up) -> None:
    refused = perdure(up.home, "up", "--json", "--port", "0", "--temporal-port", "0", "--ui-port", "0")
    assert refused.returncode == 5
    assert f"process {up.process.pid}" in refused.stderr
    assert up.answers["api"] in refused.stderr
    assert refused.stdout == ""


def test_a_taken_port_is_named_with_who_has_it_and_what_to_do(new_home: Path) -> None:
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        taken.listen()
        port = taken.getsockname()[1]
        refused = perdure(new_home, "up", "--port", str(port), "--temporal-port", "0", "--ui-port", "0")
    assert refused.returncode == 5
    assert f"Port {port} (API) is taken by" in refused.stderr
    assert f"(process {os.getpid()})" in refused.stderr
    assert "`--port 0` takes any that is free" in refused.stderr


def test_a_script_that_is_not_there_is_a_wrong_command_line(new_home: Path) -> None:
    refused = perdure(
        new_home, "up", "--port", "0", "--temporal-port", "0", "--ui-port", "0", "--scripted", "no-such-script"
    )
    assert refused.returncode == 2
    assert "no-such-script" in refused.stderr


async def test_what_is_elsewhere_is_not_started_here(
    upped: Callable[..., Up], temporal_address: str, empty_database_url: str
) -> None:
    variables = {"TEMPORAL_ADDRESS": temporal_address, "DATABASE_URL": empty_database_url}
    up = await asyncio.to_thread(upped, **variables, PERDURE_TASK_QUEUE="elsewhere")
    assert (up.answers["temporal"], up.answers["postgres"]) == (temporal_address, empty_database_url)
    assert sorted(one.cmdline()[3] for one in psutil.Process(up.process.pid).children()) == ["uvicorn", "worker"]
    assert up.end() == 0


def test_a_killed_worker_is_started_again_at_once(up: Up) -> None:
    parent = up.child("-m", "worker")
    (serving,) = parent.children()
    serving.kill()
    deadline = time.monotonic() + 60
    log = up.home / "logs" / "worker.log"
    while log.read_text().count("ready: serves") < 2:
        assert time.monotonic() < deadline, log.read_text()
        time.sleep(0.05)
    assert [one.pid for one in parent.children()] != [serving.pid]


def test_a_worker_that_is_killed_with_its_parent_is_started_again(up: Up) -> None:
    parent = up.child("-m", "worker")
    (serving,) = parent.children()
    parent.kill()
    up.until_said("Worker ended (killed by SIGKILL)")
    up.until_said("Worker answers again")
    _, alive = psutil.wait_procs([serving], timeout=60)
    assert alive == []


def test_kill_9_leaves_no_child_behind_and_the_next_up_knows_everything(upped: Callable[..., Up]) -> None:
    first = upped("--scripted", "demo")
    # Both servers and all three programs; Postgres has children of its own.
    family = first.family()
    assert len(family) >= 5
    sent = perdure(first.home, "run", "Say it once", "--model", "scripted:echo@1", "--no-plan", "--follow", "--json")
    assert sent.returncode == 0, sent.stderr
    run_id = json.loads(sent.stdout.splitlines()[-1])["id"]
    os.kill(first.process.pid, signal.SIGKILL)
    _, alive = psutil.wait_procs(family, timeout=15)
    assert alive == []
    again = upped()
    assert again.answers["token"] == first.answers["token"]
    shown = perdure(again.home, "show", run_id, "--json")
    assert json.loads(shown.stdout)["status"] == "completed"
    assert again.end() == 0
    assert not (again.home / "stack.json").exists()
