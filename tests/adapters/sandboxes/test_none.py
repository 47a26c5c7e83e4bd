"""Without a sandbox the contract holds, but nothing is contained, and that is said."""

import logging
from pathlib import Path

import pytest

from adapters.sandboxes.none import NoSandbox
from domain.errors import SandboxRefused
from domain.sandbox import WORKSPACE_PATH, OverlayMount
from tests.adapters.conformance.sandbox import SandboxConformance, said
from tests.adapters.sandboxes.conftest import AGENT_UID


@pytest.fixture
async def nothing(home: Path) -> NoSandbox:
    sandbox = NoSandbox(home, AGENT_UID)
    await sandbox.prepare()
    return sandbox


class TestNoSandbox(SandboxConformance):
    @pytest.fixture
    def sandbox(self, nothing: NoSandbox) -> NoSandbox:
        return nothing


async def test_overlays_are_refused_with_what_to_do(nothing: NoSandbox) -> None:
    mount = OverlayMount(sources=("/usr",), target=WORKSPACE_PATH)
    with pytest.raises(SandboxRefused) as refused:
        await said(nothing, "true", cwd=WORKSPACE_PATH, mounts=(mount,))
    assert "bubblewrap" in refused.value.next_step


async def test_it_says_loudly_that_nothing_is_contained(home: Path, caplog: pytest.LogCaptureFixture) -> None:
    sandbox = NoSandbox(home, AGENT_UID)
    with caplog.at_level(logging.WARNING):
        await sandbox.prepare()
    assert "PERDURE_SANDBOX=none" in caplog.text
    found = sandbox.enforcement()
    assert (found.sandbox, found.network) == ("none", "open")
    assert any("NOT CONTAINED" in note for note in found.notes)
    assert "not contained" in (await sandbox.doctor())[0].found


async def test_as_root_commands_run_as_the_agents_user(nothing: NoSandbox) -> None:
    user = (await said(nothing, "id -u; id -G")).split()
    assert user == [str(AGENT_UID)] * 2 or AGENT_UID is None


async def test_the_toolchain_is_first_on_the_path(nothing: NoSandbox, home: Path) -> None:
    assert (await said(nothing, "command -v pytest")).startswith(str(home))
