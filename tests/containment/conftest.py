"""A host with secrets, servers and processes planted for the probes, and both sandboxes to run them in."""

import json
import os
import secrets
import shutil
import socket
import subprocess
import tempfile
from collections.abc import AsyncGenerator, Generator
from contextlib import ExitStack
from dataclasses import dataclass
from pathlib import Path

import pytest

from adapters.sandboxes.bubblewrap import BubblewrapSandbox
from adapters.sandboxes.docker import DockerSandbox
from adapters.sandboxes.none import NoSandbox
from adapters.workspaces.materialised import ScanWorkspaces
from adapters.workspaces.overlay import OverlayWorkspaces
from domain.ports import Sandbox
from domain.sandbox import WORKSPACE_PATH, Command, CommandResult, SandboxLimits
from domain.workspace import AttemptLayers
from tests.adapters.sandboxes.conftest import AGENT_UID
from tests.adapters.workspaces.world import Kind, World, new_world

PROBES = Path(__file__).parent / "probes"
GROUPS = ("files", "network", "bombs", "processes", "rights", "trees")
KINDS: dict[str, Kind] = {"bubblewrap": OverlayWorkspaces, "docker": ScanWorkspaces}
LIMITS = SandboxLimits(
    memory_bytes=512 * 1024**2,
    processes=256,
    file_bytes=1024**3,
    disk_bytes=150 * 1024**2,
    disk_files=20_000,
    output_bytes=20 * 1024**2,
)
OPEN = "/var/tmp"
"""Where commands that are not contained see what is planted: /tmp is their own there, too."""
SCRIPT = """
import sys, types
protocol = types.ModuleType("tests.containment.probes.protocol")
sys.modules[protocol.__name__] = protocol
exec(compile({protocol!r}, "protocol", "exec"), protocol.__dict__)
exec(compile({group!r}, "group", "exec"), {{"__name__": "group"}})
protocol.say({number!r})
"""


@dataclass(frozen=True)
class Planted:
    """What must not be found, changed or ended from inside. `secret` is told to no probe but for its first half."""

    home: Path
    secret: str
    facts: dict[str, str]
    victim: subprocess.Popen[bytes]

    def whole(self) -> bool:
        """Whether all of it is as it was, and nothing came."""
        files = {path.name: path.read_text() for path in self.home.rglob("*") if path.is_file()}
        return files == {"notes": self.secret, "id_ed25519": self.secret} and self.victim.poll() is None


@pytest.fixture(scope="session")
def walled_home() -> Generator[Path]:
    """A worker's home with another run in it."""
    path = Path(tempfile.mkdtemp(prefix="perdure-walled-", dir=OPEN))
    path.chmod(0o711)
    yield path
    shutil.rmtree(path)


@pytest.fixture(scope="session")
def planted(walled_home: Path) -> Generator[Planted]:
    secret = secrets.token_hex(16)
    with ExitStack() as stack:
        home = Path(stack.enter_context(tempfile.TemporaryDirectory(prefix="perdure-host-", dir=OPEN)))
        other = walled_home / "workspaces" / "w-other" / "1"
        for place in (home / ".ssh", other):
            place.mkdir(parents=True)
        for place in (home, home / ".ssh", walled_home / "workspaces", other.parent, other):
            place.chmod(0o777)
        for path in (home / "notes", home / ".ssh" / "id_ed25519", other / "notes"):
            path.write_text(secret)
            path.chmod(0o666)
        tcp = stack.enter_context(socket.create_server(("127.0.0.1", 0)))
        places = {"host_socket": str(walled_home / "host.sock"), "other_proxy": str(walled_home / "other.sock")}
        abstract = f"perdure-{secrets.token_hex(4)}"
        for address in (*places.values(), "\0" + abstract):
            unix = stack.enter_context(socket.socket(socket.AF_UNIX))
            unix.bind(address)
            unix.listen()
        for path in places.values():
            Path(path).chmod(0o777)
        os.environ["PERDURE_PLANTED_KEY"] = secret
        stack.callback(os.environ.pop, "PERDURE_PLANTED_KEY")
        victim = subprocess.Popen(["sleep", "3600"], user=AGENT_UID, process_group=0)
        stack.callback(victim.wait)
        stack.callback(victim.kill)
        facts = {
            **places,
            "secret_half": secret[:16],
            "host_home": str(home),
            "worker_home": str(walled_home),
            "other_workspace": str(other),
            "abstract": abstract,
            "tcp_port": str(tcp.getsockname()[1]),
            "victim": str(victim.pid),
            "daemon": f"31{os.getpid()}",
            "processes": str(LIMITS.processes),
            "memory": str(LIMITS.memory_bytes),
        }
        yield Planted(home, secret, facts, victim)


@dataclass(frozen=True)
class Inside:
    """A sandbox with a workspace as runs have one."""

    kind: str
    sandbox: Sandbox
    world: World
    planted: Planted

    async def probe(self, number: str) -> tuple[CommandResult, AttemptLayers]:
        """Runs one in an attempt of its own, and looks for the secret in what it prints."""
        group = next(name for name in GROUPS if f'@probe("{number}")' in source(name))
        layers = await self.world.workspaces.begin(self.world.lease, f"probe/{number}", 1)
        command = Command(
            argv=("python3", "-"),
            cwd=WORKSPACE_PATH,
            environment=self.sandbox.environment | {"FACTS": json.dumps(self.planted.facts)},
            stdin=SCRIPT.format(protocol=source("protocol"), group=source(group), number=number).encode(),
            timeout_seconds=60,
            mounts=layers.mounts,
            limits=LIMITS,
            run_id=self.world.root.name,
            name=f"contained-{number.replace(' ', '-')}",
        )
        result = await self.sandbox.run(command)
        assert self.planted.secret.encode() not in result.head + result.tail
        return result, layers


def source(name: str) -> str:
    return (PROBES / f"{name}.py").read_text()


@pytest.fixture(scope="session")
async def walled_bubblewrap(walled_home: Path, planted: Planted) -> Sandbox:
    """As the other one, prepared while the planted key is in the environment."""
    bubblewrap = BubblewrapSandbox(walled_home, AGENT_UID)
    await bubblewrap.prepare()
    return bubblewrap


@pytest.fixture(scope="session")
async def walled_docker(walled_home: Path, planted: Planted, docker_image: str) -> AsyncGenerator[Sandbox]:
    sandbox = DockerSandbox(walled_home, AGENT_UID, docker_image)
    await sandbox.prepare()
    yield sandbox
    await sandbox.close()


@pytest.fixture(params=list(KINDS))
def walled(request: pytest.FixtureRequest) -> tuple[str, Sandbox]:
    kind = str(request.param)
    sandbox: Sandbox = request.getfixturevalue(f"walled_{kind}")
    return kind, sandbox


@pytest.fixture
async def uncontained(walled_home: Path, planted: Planted) -> AsyncGenerator[Inside]:
    """Without a sandbox, to see that the probes find what there is to be found."""
    sandbox = NoSandbox(walled_home, AGENT_UID)
    await sandbox.prepare()
    async with new_world() as world:
        await world.open()
        yield Inside("none", sandbox, world, planted)


@pytest.fixture
async def inside(walled: tuple[str, Sandbox], planted: Planted) -> AsyncGenerator[Inside]:
    kind, sandbox = walled
    async with new_world(kind=KINDS[kind]) as world:
        await world.open()
        yield Inside(kind, sandbox, world, planted)
        await sandbox.kill("contained-")
