"""Without a sandbox the contract holds, but nothing is contained, and that is said."""

import json
import logging
import os
import subprocess
import sys
import tempfile
from collections.abc import Generator
from pathlib import Path

import pytest

from adapters.sandboxes.binary import find_bwrap
from adapters.sandboxes.none import NoSandbox
from domain.errors import SandboxRefused
from domain.sandbox import HOME_PATH, TOOLCHAIN_PATH, WORKSPACE_PATH
from tests.adapters.conformance.mounts import MountConformance
from tests.adapters.conformance.sandbox import SandboxConformance, said
from tests.adapters.sandboxes.conftest import AGENT_UID, owned_by_agent

REFUSED = """
import asyncio, json, pathlib, sys
from adapters.sandboxes.none import NoSandbox
from domain.errors import SandboxRefused

async def main(sandbox):
    try:
        await sandbox.prepare()
    except SandboxRefused as error:
        checks = [(check.name, check.ok, check.remedy) for check in await sandbox.doctor()]
        print(json.dumps([error.message, error.next_step, checks]))

asyncio.run(main(NoSandbox(pathlib.Path(sys.argv[1]))))
"""


@pytest.fixture
async def nothing(home: Path) -> NoSandbox:
    sandbox = NoSandbox(home, AGENT_UID)
    await sandbox.prepare()
    return sandbox


class TestNoSandbox(SandboxConformance, MountConformance):
    @pytest.fixture
    def sandbox(self, nothing: NoSandbox) -> NoSandbox:
        return nothing


@pytest.fixture
def beside() -> Generator[Path]:
    """A directory of the agent's in a place of the host that no mount covers."""
    with tempfile.TemporaryDirectory(dir="/var/tmp") as place:
        Path(place).chmod(0o755)
        yield owned_by_agent(Path(place))


async def test_the_host_is_seen_and_changed(nothing: NoSandbox, beside: Path) -> None:
    assert {"etc", "proc", "root", "var"} <= set((await said(nothing, "ls -A /")).split())
    (beside / "seen").write_text("by all\n")
    assert await said(nothing, f"cat {beside}/seen; echo changed >{beside}/file") == "by all\n"
    assert (beside / "file").read_text() == "changed\n"


async def test_network_and_processes_are_the_hosts(nothing: NoSandbox) -> None:
    places = [Path(f"/proc/self/ns/{kind}") for kind in ("net", "pid", "ipc", "uts")]
    seen = await said(nothing, " ".join(["readlink", *(str(place) for place in places)]))
    assert seen.split() == [str(place.readlink()) for place in places]
    assert await said(nothing, f"test -d /proc/{os.getpid()} && echo seen") == "seen\n"


async def test_home_tmp_and_workspace_are_the_commands_own_and_leave_nothing(nothing: NoSandbox) -> None:
    places = [Path(place) for place in (WORKSPACE_PATH, HOME_PATH, TOOLCHAIN_PATH)]
    before = [place.exists() for place in places]
    mark = f"perdure-{os.getpid()}"
    text = f"touch /tmp/{mark} {HOME_PATH}/{mark} {WORKSPACE_PATH}/{mark}; ls /tmp"
    assert await said(nothing, text) == f"{mark}\n"
    assert [place.exists() for place in places] == before
    shared = Path(tempfile.gettempdir())
    assert not (shared / mark).exists()


def test_where_nobody_may_mount_it_is_refused_with_the_remedy(home: Path) -> None:
    bwrap = str(find_bwrap(home / "sandbox", None))
    closed = [bwrap, "--dev-bind", "/", "/", "--unshare-user", "--uid", "1000", "--disable-userns", "--"]
    found = subprocess.run(
        [*closed, sys.executable, "-c", REFUSED, str(home / "mountless")],
        cwd=Path(__file__).parents[3],
        env=os.environ | {"PYTHONPATH": os.pathsep.join(path for path in sys.path if path)},
        capture_output=True,
        text=True,
    )
    assert found.returncode == 0, found.stderr
    message, remedy, checks = json.loads(found.stdout)
    assert message.startswith("mounts: ")
    assert remedy
    assert checks[0][:2] == ["sandbox", True]
    assert checks[-1] == ["mounts", False, remedy]


async def test_it_says_loudly_that_nothing_is_contained(home: Path, caplog: pytest.LogCaptureFixture) -> None:
    sandbox = NoSandbox(home, AGENT_UID)
    with caplog.at_level(logging.WARNING):
        await sandbox.prepare()
    assert "PERDURE_SANDBOX=none" in caplog.text
    found = sandbox.enforcement()
    assert (found.sandbox, found.network) == ("none", "open")
    assert any("NOT CONTAINED" in note for note in found.notes)
    assert "not contained" in (await sandbox.doctor())[0].found


async def test_doctor_tries_what_is_needed_here(nothing: NoSandbox) -> None:
    found = [(check.name, check.ok) for check in await nothing.doctor()]
    assert found == [(name, True) for name in ("sandbox", "bubblewrap", "mounts", "overlay", "toolchain")]


async def test_a_home_that_the_agent_cannot_enter_is_refused(folder: Path) -> None:
    if AGENT_UID is None:
        return
    closed = folder / "closed"
    closed.mkdir(mode=0o700)
    with pytest.raises(SandboxRefused) as refused:
        await NoSandbox(closed / "home", AGENT_UID).prepare()
    assert "chmod o+x" in refused.value.next_step


async def test_as_root_commands_run_as_the_agents_user(nothing: NoSandbox) -> None:
    user = (await said(nothing, "id -u; id -G")).split()
    assert user == [str(AGENT_UID)] * 2 or AGENT_UID is None


async def test_the_toolchain_is_first_on_the_path(nothing: NoSandbox) -> None:
    assert await said(nothing, "command -v pytest") == f"{TOOLCHAIN_PATH}/bin/pytest\n"


async def test_a_toolchain_that_is_named_is_used_where_it_lies(home: Path, beside: Path) -> None:
    program = beside / "own-program"
    program.write_text("#!/bin/sh\necho mine\n")
    program.chmod(0o755)
    assert await said(NoSandbox(home, AGENT_UID, (str(beside),)), "own-program") == "mine\n"
