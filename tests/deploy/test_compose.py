"""The stack on Docker: from a clone to a pushed branch, one of its workers killed on the way."""

import json
import os
import shutil
import socket
import sys
import tempfile
import time
from collections.abc import AsyncGenerator, Generator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

import pytest
import pytest_asyncio

from adapters.models.scripted import ScriptedServer
from tests.fixtures.compose import ROOT, ComposeStack, make_stack
from tests.fixtures.git_server import GitServer, git, make_repository
from tests.fixtures.stand_ins import StandIns, run_docker
from tests.workflows.scripts import BROKEN, CHECK

MAIN = ROOT / "docker-compose.yml"
DOCKER_SANDBOX = ROOT / "docker-compose.docker-sandbox.yml"
NEEDED = {"POSTGRES_PASSWORD": "p", "PERDURE_API_TOKEN": "t"}
NEEDED_FOR_DOCKER = {"DOCKER_GROUP": "999", "PERDURE_DOCKER_IMAGE": "python:3.12"}
IMAGE_UID = 10001
PRY = (
    "grep Seccomp: /proc/self/status; id -u; ls /app /var/lib/perdure; ls /opt/perdure/bin/uvicorn; "
    "env | grep -c -i -e pass -e token"
)
SCRIPT = f"""
about: Looks around, mends add, and takes its time.
conversations:
  - when: {{tool: bash}}
    turns:
      - calls:
          - {{name: bash, arguments: {{command: "{PRY}; {CHECK}"}}}}
      - expect: 1 failed
        calls:
          - {{name: edit, arguments: {{path: adder.py, old: a - b, new: a + b}}}}
      - calls:
          - {{name: bash, arguments: {{command: "echo before > notes; sleep 5; echo after >> notes; {CHECK}"}}}}
      - expect: 1 passed
        calls:
          - {{name: finish, arguments: {{summary: add adds now.}}}}
      - calls:
          - {{name: finish, arguments: {{summary: add adds now.}}}}
"""
SLOW_CALL = "turn/3/call/0"


@pytest.mark.parametrize("files", [(MAIN,), (MAIN, DOCKER_SANDBOX)], ids=["bubblewrap", "docker"])
def test_the_files_are_valid_with_the_public_images(compose_command: list[str], files: tuple[Path, ...]) -> None:
    stack = ComposeStack(compose_command, {**NEEDED, **(NEEDED_FOR_DOCKER if len(files) > 1 else {})}, files)
    services = json.loads(stack.call("config", "--format", "json"))["services"]
    images = {name: one["image"] for name, one in services.items()}
    assert images["temporal"].partition(":")[0] == "temporalio/server"
    # The schema must be that of the server.
    assert images["temporal"].rpartition(":")[2] == images["temporal-schema"].rpartition(":")[2]
    published = [port["host_ip"] for one in services.values() for port in one.get("ports", ())]
    assert published == ["127.0.0.1"] * 2
    for name, one in services.items():
        if one.get("build"):
            assert one["cap_drop"] == ["ALL"], name
            assert one["read_only"], name
    opened = [option for option in services["worker-1"]["security_opt"] if "unconfined" in option]
    assert bool(opened) == (len(files) == 1)


@pytest.mark.parametrize("name", NEEDED)
def test_there_is_no_password_that_works_silently(compose_command: list[str], name: str) -> None:
    for value in ({}, {name: ""}):
        left = {key: text for key, text in NEEDED.items() if key != name}
        said = ComposeStack(compose_command, {**left, **value}, (MAIN,)).call("config", "--quiet", fails=True)
        assert f"set {name} in .env" in said


@dataclass(frozen=True)
class World:
    """What the stack reaches of this machine, and what it is made with."""

    scripted: ScriptedServer
    remote: GitServer
    place: Path
    command: list[str]
    stand_ins: StandIns

    def stack(self, *more: Path, **variables: str) -> ComposeStack:
        reached = {
            "SCRIPTED_BASE_URL": self.scripted.base_url,
            "PERDURE_ALLOWED_HOSTS": self.remote.host,
        }
        return make_stack(self.command, self.stand_ins, self.place, *more, **reached, **variables)

    def repository(self, name: str) -> str:
        make_repository(self.place / name, BROKEN)
        self.remote.add(f"{name}.git", self.place / name)
        return self.remote.url(f"{name}.git")


def address_for_containers(image: str) -> str:
    """Of this machine, on Docker's first bridge: a container's default route."""
    table = run_docker("run", "--rm", image, "cat", "/proc/net/route")
    (gateway,) = [line.split()[2] for line in table.splitlines() if line.split()[1] == "00000000"]
    return socket.inet_ntoa(bytes.fromhex(gateway)[::-1])


@pytest_asyncio.fixture(scope="module", loop_scope="session")
async def world(compose_command: list[str], stand_ins: StandIns) -> AsyncGenerator[World]:
    gateway = address_for_containers(stand_ins.base)
    place = Path(tempfile.mkdtemp(prefix="perdure-deploy-"))
    (place / "remote").mkdir()
    scripted = await ScriptedServer(host=gateway).start()
    scripted.add("mend", SCRIPT)
    remote = GitServer(place / "remote", host=gateway)
    yield World(scripted, remote, place, compose_command, stand_ins)
    remote.stop()
    await scripted.stop()
    shutil.rmtree(place)


@pytest.fixture(scope="module")
def build_seconds(world: World) -> float:
    """How long Compose took to build the image, as a user does it."""
    since = time.monotonic()
    world.stack().call("build", "migrate")
    return time.monotonic() - since


@contextmanager
def standing(stack: ComposeStack) -> Generator[float]:
    """Up and healthy, after so many seconds; nothing of it is left afterwards."""
    try:
        yield stack.up()
    finally:
        stack.down()
    ours = f"label=com.docker.compose.project={stack.name}"
    for listed in (("ps", "--all"), ("volume", "ls"), ("network", "ls")):
        assert run_docker(*listed, "--quiet", "--filter", ours) == ""


def start_mending(world: World, stack: ComposeStack, name: str) -> str:
    repository = {"url": world.repository(name), "ref": "main"}
    asked = {"task": "Mend add", "model": "scripted:mend", "plan": False, "verify": [CHECK]}
    return stack.submit(repository=repository, **asked)


def assert_mended(world: World, stack: ComposeStack, run_id: str, name: str) -> None:
    """Finished, and pushed to a branch of its own."""
    stack.until_event(run_id, "ended")
    run = stack.get(f"/v1/runs/{run_id}")
    assert run["status"] == "completed", json.dumps(run, indent=1)
    bare = world.remote.root / f"{name}.git"
    branch = run["result"]["work"]["branch"]
    assert "return a + b" in git(bare, "show", f"{branch}:adder.py")
    assert git(bare, "show", f"{branch}:notes") == "before\nafter"
    assert git(bare, "rev-list", "--count", f"main..{branch}") == "1"


def host_of(stack: ComposeStack, run_id: str) -> str:
    """The service whose worker opened the run's workspace last."""
    opened = [one["event"] for one in stack.events(run_id) if one["event"]["type"] == "workspace_opened"]
    return str(opened[-1]["host_id"]).rpartition("-")[0]


def record(stack: ComposeStack, **measured: float) -> str:
    """Times in seconds, the image's size, memory by container."""
    names = run_docker("ps", "--format", "{{.Names}}", "--filter", f"label=com.docker.compose.project={stack.name}")
    used = run_docker("stats", "--no-stream", "--format", "  {{.Name}}: {{.MemUsage}}", *sorted(names.split()))
    size = int(run_docker("image", "inspect", "--format", "{{.Size}}", stack.variables["PERDURE_IMAGE"])) / 1e6
    base = int(run_docker("image", "inspect", "--format", "{{.Size}}", stack.variables["BASE_IMAGE"])) / 1e6
    times = "\n".join(f"  {name.replace('_', ' ')}: {seconds:.1f} s" for name, seconds in measured.items())
    return f"\nThe stack on Docker\n{times}\n  image: {size:.0f} MB, of these {base:.0f} MB its base\n{used}\n"


@pytest.mark.timeout(900)
def test_a_run_outlives_the_worker_that_is_killed(
    world: World, build_seconds: float, capsys: pytest.CaptureFixture[str]
) -> None:
    stack = world.stack()
    with standing(stack) as healthy_seconds:
        for service in ("api", "worker-1", "worker-2"):
            assert run_docker("exec", stack.container(service), "id", "-u") == str(IMAGE_UID)
        since = time.monotonic()
        run_id = start_mending(world, stack, "killed")
        stack.until_event(run_id, f"{SLOW_CALL}/started/1")
        time.sleep(1)
        killed = host_of(stack, run_id)
        run_docker("kill", "--signal", "KILL", stack.container(killed))
        assert_mended(world, stack, run_id, "killed")
        run_seconds = time.monotonic() - since
        assert host_of(stack, run_id) != killed
        assert f"{SLOW_CALL}/redone/1" in [event["key"] for event in stack.events(run_id)]
        assert_contained(stack, run_id)
        # The one that was killed comes back to its own home.
        stack.up()
        with capsys.disabled():
            sys.stdout.write(
                record(stack, build=build_seconds, healthy=healthy_seconds, run_with_a_killed_worker=run_seconds)
            )


def assert_contained(stack: ComposeStack, run_id: str) -> None:
    (opened, *_) = [one["event"] for one in stack.events(run_id) if one["event"]["type"] == "workspace_opened"]
    assert opened["enforcement"]["sandbox"] == "bubblewrap"
    (looked,) = [one["event"] for one in stack.events(run_id) if one["key"] == "turn/1/call/0/returned"]
    said = json.dumps(looked)
    assert "Seccomp:\\t2" in said
    for closed in ("/app", "/var/lib/perdure", "/opt/perdure/bin/uvicorn"):
        assert f"cannot access '{closed}'" in said
    assert "\\n0\\n" in said


@pytest.mark.timeout(600)
def test_commands_may_run_in_the_docker_that_workers_are_given(
    world: World, build_seconds: float, docker_image: str
) -> None:
    homes = world.place / "homes"
    for name in ("worker-1", "worker-2"):
        (homes / name).mkdir(parents=True)
        os.chown(homes / name, IMAGE_UID, IMAGE_UID)
    for directory in (world.place, homes):
        directory.chmod(0o711)
    given = {
        "DOCKER_GROUP": str(Path("/var/run/docker.sock").stat().st_gid),
        "PERDURE_DOCKER_IMAGE": docker_image,
        "PERDURE_WORKER_HOMES": str(homes),
    }
    stack = world.stack(DOCKER_SANDBOX, **given)
    with standing(stack):
        run_id = start_mending(world, stack, "docker")
        assert_mended(world, stack, run_id, "docker")
        (opened,) = [one["event"] for one in stack.events(run_id) if one["event"]["type"] == "workspace_opened"]
        assert opened["enforcement"]["sandbox"] == "docker"
