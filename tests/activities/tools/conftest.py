"""Tools on real parts: bubblewrap, a directory as /workspace, whole outputs on this host's disk."""

import os
import shutil
import tempfile
from collections.abc import Generator
from pathlib import Path
from typing import Any

import pytest

from activities.tool_context import SandboxContext
from activities.tools import TOOLS
from activities.tools.contract import ToolOutcome
from adapters.blobs import ObjectBlobs
from adapters.outputs import HostOutputs
from adapters.sandboxes.bubblewrap import BubblewrapSandbox
from adapters.settings import DEFAULT_AGENT_UID
from domain.errors import ModelMistake
from domain.sandbox import OUTPUTS_PATH, WORKSPACE_PATH, Mount, ReadOnlyMount, SandboxLimits, WritableMount
from domain.secrets import Mask
from domain.terms import Terms

AGENT_UID = DEFAULT_AGENT_UID if os.geteuid() == 0 else None


class Bench:
    """One workspace and the shell's state, carried from call to call as a run does."""

    def __init__(self, sandbox: BubblewrapSandbox, outputs: HostOutputs, path: Path) -> None:
        self.workspace = self._owned(path / "workspace")
        self.cwd, self.environment = WORKSPACE_PATH, dict[str, str]()
        self.base_commit, self.first_finish = "empty", True
        self.limits = SandboxLimits()
        self.mirror: Path | None = None
        self._sandbox, self._outputs, self._calls, self.run_id = sandbox, outputs, 0, path.name
        self._mounts: list[Mount] = [WritableMount(source=str(self.workspace), target=WORKSPACE_PATH)]
        for name, target in (("home", "/home/agent"), ("tmp", "/tmp")):
            self._mounts.append(WritableMount(source=str(self._owned(path / name)), target=target))
        self._mounts.append(ReadOnlyMount(source=str(outputs.directory(self.run_id)), target=OUTPUTS_PATH))

    def _owned(self, path: Path) -> Path:
        path.mkdir()
        if AGENT_UID is not None:
            os.chown(path, AGENT_UID, AGENT_UID)
        return path

    def put(self, name: str, content: str | bytes, mode: int = 0o644) -> Path:
        """A file of the agent's in the workspace."""
        path = self.workspace / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(content.encode() if isinstance(content, str) else content)
        path.chmod(mode)
        if AGENT_UID is not None:
            for owned in (path, *path.relative_to(self.workspace).parents):
                os.chown(self.workspace / owned, AGENT_UID, AGENT_UID)
        return path

    def text(self, name: str) -> str:
        return (self.workspace / name).read_bytes().decode()

    async def do(self, tool: str, **arguments: Any) -> ToolOutcome:
        self._calls += 1
        extra: list[Mount] = [ReadOnlyMount(source=str(self.mirror), target="/mirror")] if self.mirror else []
        context = SandboxContext(
            self._sandbox,
            self._outputs,
            run_id=self.run_id,
            place=f"1-{self._calls}",
            name=f"{self.run_id}-{self._calls}",
            mounts=(*self._mounts, *extra),
            terms=Terms(limits=self.limits),
            cwd=self.cwd,
            environment=self.environment,
            first_finish=self.first_finish,
            base_commit=self.base_commit,
            mask=Mask(),
        )
        outcome = await TOOLS[tool].run(TOOLS[tool].arguments.model_validate(arguments), context)
        self.cwd = outcome.cwd or self.cwd
        self.environment = self.environment if outcome.environment is None else outcome.environment
        return outcome

    async def said(self, tool: str, **arguments: Any) -> str:
        return (await self.do(tool, **arguments)).result.text

    async def refused(self, tool: str, **arguments: Any) -> str:
        with pytest.raises(ModelMistake) as mistake:
            await self.do(tool, **arguments)
        return mistake.value.message


@pytest.fixture(scope="session")
def open_home() -> Generator[Path]:
    """Not pytest's own temporary directory, which is closed to the agent's user."""
    path = Path(tempfile.mkdtemp(prefix="perdure-tools-"))
    path.chmod(0o711)
    yield path
    for directory, _, _ in os.walk(path):
        Path(directory).chmod(0o700)
    shutil.rmtree(path)


@pytest.fixture(scope="session")
async def tools_sandbox(open_home: Path) -> BubblewrapSandbox:
    sandbox = BubblewrapSandbox(open_home, AGENT_UID)
    await sandbox.prepare()
    return sandbox


@pytest.fixture
def bench(tools_sandbox: BubblewrapSandbox, open_home: Path) -> Bench:
    outputs = HostOutputs(open_home / "outputs", ObjectBlobs(f"file://{open_home / 'blobs'}"))
    path = Path(tempfile.mkdtemp(prefix="bench-", dir=open_home))
    path.chmod(0o711)
    return Bench(tools_sandbox, outputs, path)
