"""Starting and stopping the scripted model, in a program and as a process."""

import json
import signal
import subprocess
import sys
import time
from pathlib import Path

import httpx2
import pytest

from adapters.models.scripted import Fault, ScriptedServer

ROOT = Path(__file__).resolve().parents[4]
ASKED = {"model": "mine", "messages": [{"role": "user", "content": "?"}]}
HEADERS = {"authorization": "Bearer x"}


async def test_a_server_answers_though_its_starter_blocks():
    server = await ScriptedServer().start()
    server.add("mine", "conversations: [{turns: [{text: here}]}]")
    answer = httpx2.post(f"{server.base_url}/v1/chat/completions", json=ASKED, headers=HEADERS)
    await server.stop()
    assert answer.json()["choices"][0]["message"]["content"] == "here"


async def test_a_server_stops_with_an_answer_open_and_twice():
    server = await ScriptedServer().start()
    server.fault(Fault(kind="hang", seconds=600))
    with pytest.raises(httpx2.ReadTimeout):
        httpx2.post(f"{server.base_url}/v1/chat/completions", json=ASKED, headers=HEADERS, timeout=0.2)
    begun = time.monotonic()
    await server.stop()
    await server.stop()
    assert time.monotonic() - begun < 5


async def test_a_server_that_never_started_stops():
    await ScriptedServer().stop()


def test_as_a_process_it_prints_its_url_and_ends_on_a_signal(tmp_path: Path):
    (tmp_path / "mine.yaml").write_text("conversations: [{turns: [{text: from a file}]}]")
    command = [sys.executable, "-m", "adapters.models.scripted", "--port", "0", "--script", str(tmp_path)]
    with subprocess.Popen(command, cwd=ROOT, stdout=subprocess.PIPE, text=True) as process:
        assert process.stdout is not None
        url = json.loads(process.stdout.readline())["url"]
        answer = httpx2.post(f"{url}/v1/chat/completions", json=ASKED, headers=HEADERS)
        process.send_signal(signal.SIGTERM)
        assert process.wait(10) == 0
    assert answer.json()["choices"][0]["message"]["content"] == "from a file"
