"""A place that the agent's user can enter, a git server, and repositories with what they need."""

import os
import shutil
import subprocess
import tempfile
import uuid
from collections.abc import Callable, Generator
from pathlib import Path
from typing import Any

import pytest

from adapters.blobs import ObjectBlobs
from adapters.repositories import EMPTY_REPOSITORY, GitRepositories, RemotePolicy
from adapters.sandboxes.bubblewrap import BubblewrapSandbox
from adapters.settings import DEFAULT_AGENT_UID
from domain.repository import CommitSpec, PublishedWork, RepositorySpec
from domain.sandbox import MIRROR_PATH, WORKSPACE_PATH, Command, CommandResult, OverlayMount, ReadOnlyMount
from tests.fixtures.git_server import GitServer, git_server, make_repository

AGENT_UID = DEFAULT_AGENT_UID if os.geteuid() == 0 else None
FILES: dict[str, str | bytes] = {
    "README.md": "A small library.\n",
    "src/sum.py": "def add(a, b):\n    return a - b\n",
    "bin/run": "#!/bin/sh\necho run\n",
    ".gitignore": "*.log\nbuild/\n",
}
AGENT = {"PATH": "/usr/local/bin:/usr/bin:/bin", "HOME": "/home/agent", "LC_ALL": "C"}
SPEC = CommitSpec(message="Add, do not subtract", unix_time=1_700_000_000, branch="perdure/add-1")

Make = Callable[..., GitRepositories]


@pytest.fixture
def place() -> Generator[Path]:
    """Not pytest's own, which no other account may enter: as root, agents run as another one."""
    directory = Path(tempfile.mkdtemp(prefix="perdure-test-"))
    directory.chmod(0o711)
    yield directory
    remove(directory)


def remove(directory: Path) -> None:
    """The kernel leaves a directory of mode 000 in the work directory of an overlay."""
    for work in directory.glob("work/work"):
        work.chmod(0o700)
    # Not shutil, which recurses: agents make directories deeper than Python's stack.
    subprocess.run(["rm", "-rf", "--", directory], check=True)


@pytest.fixture
def source(place: Path) -> Path:
    """A repository with one commit on `main`."""
    path = place / "source"
    make_repository(path, FILES)
    return path


@pytest.fixture
def server(place: Path) -> Generator[GitServer]:
    root = place / "served"
    root.mkdir()
    with git_server(root) as running:
        yield running


@pytest.fixture
def blobs(place: Path) -> ObjectBlobs:
    return ObjectBlobs(f"file://{place / 'blobs'}")


@pytest.fixture(scope="session")
def sandbox() -> Generator[BubblewrapSandbox]:
    home = Path(tempfile.mkdtemp(prefix="perdure-sandbox-"))
    home.chmod(0o711)
    yield BubblewrapSandbox(home, AGENT_UID)
    shutil.rmtree(home, ignore_errors=True)


@pytest.fixture
def make(place: Path, blobs: ObjectBlobs, sandbox: BubblewrapSandbox) -> Make:
    """`make(home="other", git_token=...)`: repositories with a home of that name, and a policy."""

    def made(home: str = "home", **policy: Any) -> GitRepositories:
        named: dict[str, Any] = {"allowed_paths": (str(place),), **policy}
        return GitRepositories(place / home, blobs, sandbox, RemotePolicy(**named), AGENT_UID)

    return made


@pytest.fixture
def repositories(make: Make) -> GitRepositories:
    return make()


class Work:
    """A workspace as a run has it: an overlay on the cached checkout, changed by commands in the sandbox."""

    def __init__(self, repositories: GitRepositories, sandbox: BubblewrapSandbox, place: Path) -> None:
        self.repositories = repositories
        self.sandbox = sandbox
        self.place = place
        self.base = EMPTY_REPOSITORY
        self.tree = place
        self.pack = place / "out.pack"
        self.upper, self.work = (self._directory(name) for name in ("upper", "work"))

    async def open(self, spec: RepositorySpec | None) -> "Work":
        if spec is not None:
            self.base = await self.repositories.resolve(spec)
        self.tree = await self.repositories.checkout(self.base)
        return self

    async def run(self, script: str, exit_code: int = 0) -> str:
        """What the agent does: its output."""
        overlay = OverlayMount(
            sources=(str(self.tree),), target=WORKSPACE_PATH, upper=str(self.upper), work=str(self.work)
        )
        command = Command(argv=("sh", "-ec", script), environment=AGENT, mounts=(overlay, self._mirror()))
        result = await self.sandbox.run(command.model_copy(update={"name": f"agent-{uuid.uuid4().hex}"}))
        text = (result.head + result.tail).decode(errors="replace")
        assert result.exit_code == exit_code, text
        return text

    async def commit(self, spec: CommitSpec) -> CommandResult:
        """Runs the commit command over the workspace, read-only; the pack is at `pack`."""
        overlay = OverlayMount(sources=(str(self.tree), str(self.upper)), target=WORKSPACE_PATH)
        changes = {
            "mounts": (overlay, self._mirror()),
            "name": f"commit-{uuid.uuid4().hex}",
            "output_path": str(self.pack),
        }
        return await self.sandbox.run(
            self.repositories.commit_command(self.base.commit, spec).model_copy(update=changes)
        )

    async def publish(self, spec: CommitSpec) -> PublishedWork:
        result = await self.commit(spec)
        assert result.exit_code == 0, result.head.decode(errors="replace")
        commit = result.report.decode().split()[0]
        return await self.repositories.take_in(self.base, self.pack, commit, spec)

    def _mirror(self) -> ReadOnlyMount:
        return ReadOnlyMount(source=str(self.repositories.mirror(self.base)), target=MIRROR_PATH)

    def _directory(self, name: str) -> Path:
        path = self.place / name
        path.mkdir()
        if AGENT_UID is not None:
            os.chown(path, AGENT_UID, AGENT_UID)
        return path


@pytest.fixture
def work(repositories: GitRepositories, sandbox: BubblewrapSandbox, place: Path) -> Work:
    return Work(repositories, sandbox, place)
