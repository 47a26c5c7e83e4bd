"""Control groups, where this host lets us make them."""

import asyncio
import json
import os
import subprocess
import sys
import uuid
from collections.abc import Generator
from pathlib import Path

import pytest

from adapters.sandboxes.bubblewrap import BubblewrapSandbox
from adapters.sandboxes.cgroups import Cgroup, Cgroups, Controller
from adapters.sandboxes.delegation import find_cgroups
from domain.sandbox import SandboxLimits
from tests.adapters.conformance.sandbox import said, shell
from tests.adapters.sandboxes.conftest import AGENT_UID


@pytest.fixture
def cgroups(home: Path) -> Cgroups | None:
    return find_cgroups(home)


async def test_all_of_a_group_is_killed_and_the_group_removed(cgroups: Cgroups | None) -> None:
    if cgroups is None:
        return
    group = cgroups.make("kill-me", SandboxLimits())
    with group.entered():
        child = await asyncio.create_subprocess_exec("sh", "-c", "sleep 0.2; setsid sleep 60 & wait")
    group.join(child.pid)
    await asyncio.sleep(0.4)
    assert len(cgroups.left("kill-")) == 1
    assert cgroups.left("kill-you") == []
    await group.remove()
    assert await child.wait() != 0
    assert cgroups.left("kill-") == []


def test_a_worker_is_in_a_group_of_version_1_while_it_starts_something_and_is_not_killed_there(
    cgroups: Cgroups | None,
) -> None:
    if cgroups is None:
        return
    group, own = cgroups.make("visited", SandboxLimits()), Path("/proc/thread-self/cgroup")
    before = own.read_text()
    with group.entered():
        assert (own.read_text() == before) == bool(group.joins)
        group.kill()
    assert own.read_text() == before
    visitor = "import os, sys, threading, time; threading.Thread(target=time.sleep, args=(9,), daemon=True).start()"
    tasks = [] if group.joins else [str(path / "tasks") for path in group.directories]
    text = f"{visitor}; [open(path, 'w').write('0') for path in {tasks}]; print(flush=True); time.sleep(9)"
    with subprocess.Popen([sys.executable, "-c", text], stdout=subprocess.PIPE) as process:
        assert process.stdout is not None
        process.stdout.readline()
        group.kill()
        assert process.poll() is None
        process.kill()
    asyncio.run(group.remove())


async def test_groups_of_another_home_are_not_ours(cgroups: Cgroups | None, folder: Path) -> None:
    other = find_cgroups(folder)
    if cgroups is None or other is None:
        return
    group = other.make("theirs", SandboxLimits())
    assert len(other.left("theirs")) == 1
    assert cgroups.left("theirs") == []
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


@pytest.mark.parametrize(
    ("name", "unified", "expected"),
    [
        ("memory", True, {"memory.max": 3 << 20, "memory.swap.max": 0, "memory.oom.group": 1}),
        ("memory", False, {"memory.limit_in_bytes": 3 << 20, "memory.memsw.limit_in_bytes": 3 << 20}),
        ("pids", True, {"pids.max": 9}),
        ("pids", False, {"pids.max": 11}),
        ("cpu", True, {"cpu.max": "150000 100000"}),
        ("cpu", False, {"cpu.cfs_quota_us": 150000}),
        ("hugetlb", True, {}),
    ],
)
def test_each_version_has_files_of_its_own(name: str, unified: bool, expected: dict[str, object]) -> None:
    limits = SandboxLimits(memory_bytes=3 << 20, processes=9, cpus=1.5)
    assert dict(Controller(name, Path("/nowhere"), unified, Path("/")).files(limits)) == expected


def version_2() -> tuple[Path, str] | None:
    """Where it is mounted, and a controller that it has on this host."""
    for line in Path("/proc/self/mountinfo").read_text().splitlines():
        if " - cgroup2 " in line:
            mount = Path(line.split()[4])
            names = (mount / "cgroup.controllers").read_text().split()
            return (mount, "pids" if "pids" in names else names[0]) if names else None
    return None


@pytest.fixture
def unit() -> Generator[tuple[Path, str] | None]:
    """A group of version 2 with a controller to give on, as a service manager makes one for a unit."""
    found = version_2()
    if found is None or AGENT_UID is None:
        yield None
        return
    mount, controller = found
    slice_ = mount / f"perdure-test-{uuid.uuid4().hex}.slice"
    unit = slice_ / "worker.service"
    for parent, made in ((mount, slice_), (slice_, unit)):
        (parent / "cgroup.subtree_control").write_text(f"+{controller}")
        made.mkdir()
    yield unit, controller
    for directory in (*sorted(slice_.rglob("*/"), reverse=True), slice_):
        asyncio.run(Cgroup((directory,)).remove())


@pytest.mark.parametrize("user", ["root", "an ordinary user"])
def test_in_a_delegated_unit_of_version_2_groups_are_made_killed_and_removed(
    bubblewrap: BubblewrapSandbox, unit: tuple[Path, str] | None, home: Path, user: str
) -> None:
    if unit is None:
        return
    place, controller = unit
    python = sys.executable
    if user == "root":
        os.setxattr(place, "trusted.delegate", b"1")
    else:
        python = str(next((home / "toolchain").glob("*/bin/python3")))
        for path in (place, *(place / f"cgroup.{name}" for name in ("procs", "subtree_control", "threads"))):
            os.chown(path, AGENT_UID or 0, -1)
    script = str(Path(__file__).with_name("delegated.py"))
    uid = None if user == "root" else AGENT_UID
    root = Path(__file__).parents[3]
    places = [str(root), *(path for path in sys.path if path.endswith("site-packages"))]
    # With a neighbour in the same unit, as a database that the worker's parent started.
    change = [] if uid is None else ["setpriv", f"--reuid={uid}", f"--regid={uid}", "--clear-groups"]
    text = f'echo $$ >{place}/cgroup.procs; sleep 20 & "$@"; kill $!'
    said = subprocess.run(
        ["sh", "-c", text, "sh", *change, python, script, str(home), controller],
        env={"PATH": "/usr/bin:/bin", "PYTHONPATH": os.pathsep.join(places), "PYTHONDONTWRITEBYTECODE": "1"},
        cwd=root,
        capture_output=True,
        text=True,
    )
    found = json.loads(said.stdout or "null")
    assert found, said.stderr
    assert found.pop("place").endswith("/worker.service/perdure-worker")
    expected = {"unified": True, "joined": 3, "oom": False, "killed": -9, "left": False, "again": True}
    assert found == {**expected, "uid": uid or 0}
