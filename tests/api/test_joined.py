import asyncio
import os
import re
import sys
from pathlib import Path

import httpx2
import pytest

from adapters.settings import load_settings
from api.joined import api_settings, joined_parts
from domain.errors import InvalidRequest

ROOT = Path(__file__).parent.parent.parent


async def test_uvicorn_serves_the_app_on_its_own_against_given_servers(
    database_url: str, temporal_address: str, tmp_path: Path
) -> None:
    environment = {
        **{name: text for name, text in os.environ.items() if not name.startswith(("PERDURE_", "TEMPORAL_"))},
        "PERDURE_HOME": str(tmp_path),
        "PERDURE_API_TOKEN": "t0ken",
        "PERDURE_MODEL": "scripted:demo",
        "SCRIPTED_BASE_URL": "http://127.0.0.1:9",
        "PERDURE_TASK_QUEUE": "joined-test",
        "DATABASE_URL": database_url,
        "TEMPORAL_ADDRESS": temporal_address,
    }
    command = [sys.executable, "-m", "uvicorn", "api.app:app", "--port", "0"]
    pipe = asyncio.subprocess.PIPE
    server = await asyncio.create_subprocess_exec(*command, cwd=ROOT, env=environment, stderr=pipe)
    assert server.stderr is not None
    try:
        url = None
        while url is None:
            line = (await asyncio.wait_for(server.stderr.readline(), 60)).decode()
            assert line, "the server ended"
            url = re.search(r"http://\S+", line)
        async with httpx2.AsyncClient(base_url=url[0], headers={"Authorization": "Bearer t0ken"}) as client:
            started = await client.post("/v1/runs", json={"task": "Say hello"})
            assert started.status_code == 201
            ready = (await client.get("/readyz")).json()
            assert ready["status"] == "degraded"
            assert ready["checks"]["temporal"]["ok"]
    finally:
        server.terminate()
        await server.communicate()
    assert server.returncode in (0, -15)


async def test_without_a_database_it_says_what_to_set() -> None:
    with pytest.raises(InvalidRequest, match="DATABASE_URL"):
        async with joined_parts({}):
            pass


def test_the_operators_settings_reach_the_api(tmp_path: Path) -> None:
    settings = load_settings(
        {
            "PERDURE_HOME": str(tmp_path),
            "PERDURE_API_TOKEN": "t",
            "PERDURE_MODEL": "openai:gpt",
            "PERDURE_SIGNAL_DECISIONS": "off",
            "PERDURE_ALLOWED_PATHS": "/srv/git:/srv/more",
        }
    )
    shown = api_settings(settings)
    assert (shown.api_token, shown.default_model, shown.signal_decisions) == ("t", "openai:gpt", False)
    assert shown.allowed_paths == ("/srv/git", "/srv/more")
