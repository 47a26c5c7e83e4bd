"""A worker's home that the agent's user can enter, and directories that it owns."""

import os
import shutil
import tempfile
from collections.abc import Generator
from pathlib import Path

import pytest

from adapters.sandboxes.bubblewrap import BubblewrapSandbox
from adapters.settings import DEFAULT_AGENT_UID, Settings, load_settings

AGENT_UID = DEFAULT_AGENT_UID if os.geteuid() == 0 else None


def settings_for(kind: str, home: Path, *toolchain_paths: str) -> Settings:
    return load_settings({"PERDURE_HOME": str(home)}).model_copy(
        update={
            "sandbox": kind,
            "worker_home": home,
            "toolchain_paths": toolchain_paths,
            "docker_image": "perdure-test-base",
        }
    )


@pytest.fixture(scope="session")
def home() -> Generator[Path]:
    """Not pytest's own temporary directory, which is closed to other users."""
    path = Path(tempfile.mkdtemp(prefix="perdure-"))
    path.chmod(0o711)
    yield path
    shutil.rmtree(path)


@pytest.fixture
def folder() -> Generator[Path]:
    path = Path(tempfile.mkdtemp(prefix="perdure-"))
    owned_by_agent(path)
    yield path
    for directory, names, _ in os.walk(path):
        for name in names:
            # Never through a link: as root that would close a directory of the host.
            if not Path(directory, name).is_symlink():
                Path(directory, name).chmod(0o700)
    shutil.rmtree(path)


def owned_by_agent(path: Path) -> Path:
    if not path.exists():
        path.mkdir()
    if AGENT_UID is not None:
        os.chown(path, AGENT_UID, AGENT_UID)
    return path


@pytest.fixture(scope="session")
async def bubblewrap(home: Path) -> BubblewrapSandbox:
    sandbox = BubblewrapSandbox(home, AGENT_UID)
    await sandbox.prepare()
    return sandbox
