"""What bubblewrap adds to the contract: containment."""

import asyncio
import gc
import os
import subprocess
from pathlib import Path

import pytest

from adapters.sandboxes.bubblewrap import BubblewrapSandbox
from domain.errors import SandboxRefused
from domain.sandbox import HOME_PATH, ReadOnlyMount
from tests.adapters.conformance.mounts import MountConformance
from tests.adapters.conformance.sandbox import SandboxConformance, said, shell
from tests.adapters.conformance.walls import WallsConformance
from tests.adapters.sandboxes.conftest import AGENT_UID


class TestBubblewrapSandbox(SandboxConformance, MountConformance, WallsConformance):
    user = "1000"

    @pytest.fixture
    def sandbox(self, bubblewrap: BubblewrapSandbox) -> BubblewrapSandbox:
        return bubblewrap


async def test_home_and_tmp_are_there_and_empty_unless_mounted(bubblewrap: BubblewrapSandbox, folder: Path) -> None:
    assert await said(bubblewrap, f"touch /tmp/a {HOME_PATH}/b /var/tmp/c; ls /tmp {HOME_PATH} /workspace") != ""
    (folder / "mine").touch()
    mounts = tuple(ReadOnlyMount(source=str(folder), target=target) for target in ("/tmp", HOME_PATH))
    assert await said(bubblewrap, f"ls /tmp; ls {HOME_PATH}", mounts=mounts) == "mine\nmine\n"


async def test_the_rest_is_read_only(bubblewrap: BubblewrapSandbox) -> None:
    places = "/ /usr /etc /dev /opt /var /opt/perdure/toolchain /home"
    text = f"for place in {places}; do touch $place/x 2>/dev/null && echo $place; done; true"
    assert await said(bubblewrap, text) == ""


async def test_the_hosts_files_are_not_there(bubblewrap: BubblewrapSandbox, home: Path) -> None:
    places = f"/root /etc/shadow /etc/ssh /etc/sudoers /srv /boot /sys /var/lib /home/* {home} {Path.cwd()}"
    found = await said(bubblewrap, f"for place in {places}; do test -e $place && echo $place; done; true")
    assert found == "/home/agent\n"
    assert await said(bubblewrap, "cut -d: -f1 /etc/passwd") == "root\nagent\nnobody\n"


async def test_the_workers_environment_and_arguments_are_not_there(bubblewrap: BubblewrapSandbox, home: Path) -> None:
    seen = await said(bubblewrap, "cat /proc/[0-9]*/environ /proc/[0-9]*/cmdline /proc/mounts | tr '\\0' '\\n'")
    assert str(home) not in seen.replace(await said(bubblewrap, "cat /proc/mounts"), "")
    assert await said(bubblewrap, "wc -c </proc/1/environ") == "0\n"


async def test_other_processes_are_not_there(bubblewrap: BubblewrapSandbox) -> None:
    assert len((await said(bubblewrap, "echo /proc/[0-9]*")).split()) <= 3
    assert f"/{os.getpid()}" not in await said(bubblewrap, "echo /proc/[0-9]*")


async def test_as_root_a_user_must_be_named_and_elsewhere_none(home: Path) -> None:
    wrong = BubblewrapSandbox(home, None if AGENT_UID is not None else 12345)
    with pytest.raises(SandboxRefused) as refused:
        await wrong.prepare()
    assert "PERDURE_AGENT_UID" in refused.value.next_step


async def test_a_home_that_the_agent_cannot_enter_is_refused_with_the_remedy(folder: Path) -> None:
    if AGENT_UID is None:
        return
    closed = folder / "closed"
    closed.mkdir(mode=0o700)
    for found in (await BubblewrapSandbox(closed / "home", AGENT_UID).doctor(),):
        assert [check.ok for check in found] == [False]
        assert f"chmod o+x {folder}" in found[0].remedy


async def test_doctor_tries_everything_here(bubblewrap: BubblewrapSandbox) -> None:
    found = await bubblewrap.doctor()
    names = ["bubblewrap", "root", "namespaces", "overlay", "system calls", "network", "control groups", "toolchain"]
    assert [(check.name, check.ok) for check in found] == [(name, True) for name in names]


async def test_enforcement_says_what_is_in_force(bubblewrap: BubblewrapSandbox) -> None:
    found = bubblewrap.enforcement()
    assert (found.sandbox, found.network) == ("bubblewrap", "closed")
    if AGENT_UID is None:
        assert found.processes != "none"
    else:
        assert {found.memory, found.processes, found.cpu} == {"cgroup"}


async def test_an_event_loop_that_closes_meanwhile_leaves_no_process(bubblewrap: BubblewrapSandbox) -> None:
    running = asyncio.create_task(bubblewrap.run(shell(bubblewrap, "sleep 60", name="abandoned")))
    await asyncio.sleep(0.5)
    running.cancel()
    await asyncio.sleep(0)
    # As the end of a loop does it: every task is cancelled, the one that clears away included.
    for task in asyncio.all_tasks():
        if "_end(" in repr(task):
            task.cancel()
    with pytest.raises(asyncio.CancelledError):
        await running
    gc.collect()
    assert processes_marked("abandoned") == []


def processes_marked(word: str) -> list[str]:
    return subprocess.run(["pgrep", "-f", word], capture_output=True, check=False, text=True).stdout.split()
