import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import psutil
import pytest
from temporalio import workflow
from temporalio.api.workflowservice.v1 import DescribeNamespaceRequest
from temporalio.client import Client

from adapters.embedded.ports import free_port, is_free
from adapters.embedded.temporal import SEARCH_ATTRIBUTES, EmbeddedTemporal
from domain.errors import Conflict

ROOT = Path(__file__).resolve().parents[3]


@workflow.defn(sandboxed=False)
class NapWorkflow:
    @workflow.run
    async def run(self) -> None:
        await workflow.sleep(3600)


async def test_it_keeps_runs_thirty_days_and_knows_our_search_attributes(tmp_path: Path) -> None:
    server = EmbeddedTemporal(tmp_path)
    address = await server.start()
    try:
        client = await Client.connect(address)
        described = await client.workflow_service.describe_namespace(DescribeNamespaceRequest(namespace="default"))
        assert described.config.workflow_execution_retention_ttl.ToTimedelta().days == 30
        assert set(SEARCH_ATTRIBUTES) <= set(described.config.custom_search_attribute_aliases.values())
    finally:
        await server.stop()


async def test_a_workflow_outlives_a_killed_server(tmp_path: Path) -> None:
    server = EmbeddedTemporal(tmp_path)
    client = await Client.connect(await server.start())
    await client.start_workflow(NapWorkflow.run, id="run/1", task_queue="nobody")
    server.kill()
    assert await server.wait() == -signal.SIGKILL
    again = EmbeddedTemporal(tmp_path)
    try:
        client = await Client.connect(await again.start())
        description = await client.get_workflow_handle("run/1").describe()
        assert description.status is not None
        assert description.status.name == "RUNNING"
    finally:
        await again.stop()


async def test_a_taken_port_is_named(tmp_path: Path) -> None:
    server = EmbeddedTemporal(tmp_path / "first")
    await server.start()
    try:
        taken = int(server.address.rpartition(":")[2])
        with pytest.raises(Conflict, match=rf"port {taken} \(Temporal\)"):
            await EmbeddedTemporal(tmp_path / "second", port=taken).start()
    finally:
        await server.stop()


async def test_it_listens_where_it_is_told(tmp_path: Path) -> None:
    port, ui_port = free_port(), free_port()
    server = EmbeddedTemporal(tmp_path, port, ui_port)
    try:
        assert await server.start() == f"127.0.0.1:{port}"
        assert server.ui_url == f"http://127.0.0.1:{ui_port}"
        assert not is_free(port)
    finally:
        await server.stop()


def test_it_dies_with_the_process_that_started_it(tmp_path: Path) -> None:
    script = (
        "import asyncio, pathlib, sys, time\n"
        "from adapters.embedded.temporal import EmbeddedTemporal\n"
        "server = EmbeddedTemporal(pathlib.Path(sys.argv[1]))\n"
        "asyncio.run(server.start())\n"
        "print(server.pid, flush=True)\n"
        "time.sleep(60)\n"
    )
    with subprocess.Popen([sys.executable, "-c", script, str(tmp_path)], cwd=ROOT, stdout=subprocess.PIPE) as parent:
        assert parent.stdout is not None
        pid = int(parent.stdout.readline())
        assert psutil.pid_exists(pid)
        os.kill(parent.pid, signal.SIGKILL)
    deadline = time.monotonic() + 5
    while _runs(pid) and time.monotonic() < deadline:
        time.sleep(0.02)
    assert not _runs(pid)


def _runs(pid: int) -> bool:
    return bool(psutil.pid_exists(pid) and psutil.Process(pid).status() != psutil.STATUS_ZOMBIE)
