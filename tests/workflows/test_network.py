"""A run whose commands reach what the operator's site file opens, and nothing else."""

from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import pytest_asyncio
import yaml

from adapters.models.scripted import ScriptedServer
from tests.fixtures.package_index import PackageIndex
from tests.fixtures.stack import Stack, make_stack

SCRIPT = """
about: Fetches what it may and what it may not, in planning and in work.
conversations:
  - when: {{tool: propose_plan}}
    turns:
      - calls:
          - {{name: bash, arguments: {{command: "{fetch} {allowed}"}}}}
      - expect: "200"
        calls:
          - {{name: propose_plan, arguments: {{summary: Fetch, steps: [{{title: Fetch}}]}}}}
  - when: {{tool: bash}}
    turns:
      - calls:
          - {{name: bash, arguments: {{command: "{fetch} {allowed} {refused}"}}}}
      - expect: "200"
        calls:
          - {{name: read, arguments: {{path: /etc/hostname}}}}
          - {{name: bash, arguments: {{command: "export KEPT=yes; env | grep -ci proxy"}}}}
      - calls:
          - {{name: finish, arguments: {{summary: Fetched.}}}}
      - calls:
          - {{name: finish, arguments: {{summary: Fetched.}}}}
"""
FETCH = "curl -s -o /dev/null -w '%{http_code} '"


@pytest_asyncio.fixture(loop_scope="session")
async def open_stack(
    open_directory: Path,
    database_url: str,
    temporal_address: str,
    _scripted_server: ScriptedServer,
    package_index: PackageIndex,
    tmp_path: Path,
) -> AsyncIterator[Stack]:
    """Its site file opens one loopback address of the host to agents of the kind `coder`."""
    stack = make_stack(open_directory, database_url, temporal_address, _scripted_server)
    mine = {"host": "127.0.0.2", "ports": [package_index.port], "networks": ["127.0.0.2/32"]}
    site = tmp_path / "site.yaml"
    site.write_text(yaml.safe_dump({"agents": {"coder": {"network": [mine]}}}))
    stack.worker.environment["PERDURE_SITE"] = str(site)
    stack.scripted.clear()
    try:
        await stack.api.start()
        await stack.worker.start()
        await stack.up()
        yield stack
    finally:
        await stack.http.aclose()
        await stack.worker.end()
        await stack.api.end()
        stack.remote.stop()


async def test_connections_of_a_whole_run_are_in_its_journal(open_stack: Stack, package_index: PackageIndex) -> None:
    port = package_index.port
    allowed, refused = f"http://127.0.0.2:{port}/simple/greeting/", f"http://127.0.0.3:{port}/secret-path?token=x"
    open_stack.scripted.add("fetch", SCRIPT.format(fetch=FETCH, allowed=allowed, refused=refused))
    setup, check = f"{FETCH} {allowed}", f"{FETCH} {allowed} | grep 200"
    run_id = await open_stack.submit(
        task="Fetch", model="scripted:fetch", agent="coder", setup=setup, verify=[check], plan_approval=False
    )
    await open_stack.until(run_id, "completed")

    (opened,) = await open_stack.events(run_id, "workspace_opened")
    assert opened["event"]["terms"]["network"][0]["host"] == "127.0.0.2"
    assert opened["event"]["enforcement"]["network"] == f"closed but for 127.0.0.2 (port {port})"
    tried = await open_stack.events(run_id, "connection_tried")
    assert by_call(tried, "allowed") == {
        "setup/call/0": [True],
        "turn/1/call/0": [True],
        "turn/3/call/0": [True, False],
        "verify/1/call/0": [True],
    }
    assert {one["key"] for one in tried} >= {"connection/turn/3/call/0/1/0", "connection/turn/3/call/0/1/1"}
    first = tried[0]["event"]["connection"]
    assert (first["host"], first["port"], first["address"]) == ("127.0.0.2", port, "127.0.0.2")
    assert first["received_bytes"] > 0
    assert "secret-path" not in str([one["event"]["connection"] for one in tried])
    assert package_index.hosts == {f"127.0.0.2:{port}"}
    (exported,) = [one["event"] for one in await open_stack.events(run_id, "tool_returned") if "KEPT" in str(one)]
    assert exported["environment"] == {"KEPT": "yes"}, "the proxy's variables are those of each command, not kept"


def by_call(events: list[dict[str, Any]], name: str) -> dict[str, list[Any]]:
    found: dict[str, list[Any]] = {}
    for one in events:
        found.setdefault(one["event"]["call"], []).append(one["event"]["connection"][name])
    return found
