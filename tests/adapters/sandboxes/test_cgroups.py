"""Control groups, where this host lets us make them."""

import asyncio
from pathlib import Path

import pytest

from adapters.sandboxes.bubblewrap import BubblewrapSandbox
from adapters.sandboxes.cgroups import Cgroups, find_cgroups
from domain.sandbox import SandboxLimits
from tests.adapters.conformance.sandbox import said, shell
from tests.adapters.sandboxes.conftest import AGENT_UID


@pytest.fixture
def cgroups(home: Path) -> Cgroups | None:
    return find_cgroups(home)


async def test_all_of_a_group_is_killed_and_the_group_removed(cgroups: Cgroups | None) -> None:
    if cgroups is None:
        return
    child = await asyncio.create_subprocess_exec("sh", "-c", "sleep 0.2; setsid sleep 60 & wait")
    group = cgroups.make("kill-me", SandboxLimits())
    group.join(child.pid)
    await asyncio.sleep(0.4)
    assert len(cgroups.left("kill-")) == 1
    assert cgroups.left("kill-you") == []
    await group.remove()
    assert await child.wait() != 0
    assert cgroups.left("kill-") == []


async def test_groups_of_another_home_are_not_ours(cgroups: Cgroups | None, folder: Path) -> None:
    other = find_cgroups(folder)
    if cgroups is None or other is None:
        return
    group = other.make("theirs", SandboxLimits())
    assert cgroups.left("") == []
    await group.remove()


async def test_a_command_leaves_no_group(bubblewrap: BubblewrapSandbox, cgroups: Cgroups | None) -> None:
    await said(bubblewrap, "true", name="leaves-nothing")
    await bubblewrap.run(shell(bubblewrap, "sleep 9", timeout_seconds=0.1, name="leaves-nothing"))
    assert cgroups is None or cgroups.left("leaves-nothing") == []


async def test_processors_are_shared_out(bubblewrap: BubblewrapSandbox) -> None:
    if bubblewrap.enforcement().cpu != "cgroup":
        return
    text = "timeout 2 sh -c 'while :; do :; done'; times | tail -1 | cut -d' ' -f1"
    used = await said(bubblewrap, text, limits=SandboxLimits(cpus=0.25))
    minutes, seconds = used.strip().rstrip("s").split("m")
    assert int(minutes) * 60 + float(seconds) < 1.2


def test_as_root_on_this_kind_of_host_all_three_are_made(cgroups: Cgroups | None) -> None:
    if AGENT_UID is not None and Path("/sys/fs/cgroup/memory").is_dir():
        assert cgroups is not None
        assert {controller.name for controller in cgroups.controllers} == {"memory", "pids", "cpu"}
