"""Limits on the disk, and on memory where no control group keeps them."""

import asyncio
import os
import stat
from pathlib import Path

import pytest

from adapters.sandboxes.bubblewrap import BubblewrapSandbox
from adapters.sandboxes.growth import Growth, Use, unlinked, used
from adapters.sandboxes.watch import Watch, available, proportional, resident
from domain.sandbox import WORKSPACE_PATH, Mount, OverlayMount, SandboxLimits, WritableMount
from tests.adapters.conformance.sandbox import shell
from tests.adapters.sandboxes.conftest import owned_by_agent

MIB = 1024**2
LIMITS = SandboxLimits(disk_bytes=40 * MIB, disk_files=500)
FILL = "for n in $(seq 300); do head -c 4194304 /dev/zero >file$n; sleep 0.02; done"


@pytest.fixture
def overlay(folder: Path) -> OverlayMount:
    lower, upper, work = (str(owned_by_agent(folder / name)) for name in ("lower", "upper", "work"))
    return OverlayMount(sources=(lower,), target=WORKSPACE_PATH, upper=upper, work=work)


def taken(path: Path) -> int:
    return sum(one.lstat().st_blocks * 512 for one in path.rglob("*"))


HIDDEN = """
import os, time
os.mkdir("d")
files = [open(f"d/{n}", "wb") for n in range(100)]
os.chmod("d", 0)
for file in files:
    file.write(b"x" * 4194304); file.flush(); time.sleep(0.02)
"""
UNNAMED = """
import os, time
for n in range(100):
    file = open("file", "wb"); os.unlink("file"); os.dup(file.fileno())
    file.write(b"x" * 4194304); file.flush(); time.sleep(0.02)
"""


@pytest.mark.parametrize("text", [FILL, f"python3 -c '{HIDDEN}'", f"python3 -c '{UNNAMED}'"])
async def test_a_command_that_fills_the_disk_is_ended(
    bubblewrap: BubblewrapSandbox, overlay: OverlayMount, text: str
) -> None:
    command = shell(bubblewrap, text, cwd=WORKSPACE_PATH, mounts=(overlay,), limits=LIMITS)
    result = await bubblewrap.run(command)
    assert (result.ended, result.exit_code) == ("disk_limit", 137), result


async def test_a_command_that_makes_too_many_files_is_ended(
    bubblewrap: BubblewrapSandbox, overlay: OverlayMount
) -> None:
    text = "for n in $(seq 30); do mkdir d$n; touch d$n/{1..100}; sleep 0.1; done"
    result = await bubblewrap.run(shell(bubblewrap, text, cwd=WORKSPACE_PATH, mounts=(overlay,), limits=LIMITS))
    assert result.ended == "disk_limit"


async def test_what_was_there_before_and_sparse_files_are_not_counted(
    bubblewrap: BubblewrapSandbox, folder: Path
) -> None:
    (folder / "before").write_bytes(b"x" * (60 * MIB))
    mounts: tuple[Mount, ...] = (WritableMount(source=str(folder), target=WORKSPACE_PATH),)
    text = "truncate -s 1G sparse; ln sparse again; head -c 1000000 /dev/zero >new; sleep 1.2; echo whole"
    result = await bubblewrap.run(shell(bubblewrap, text, cwd=WORKSPACE_PATH, mounts=mounts, limits=LIMITS))
    assert (result.ended, result.head) == ("exited", b"whole\n")
    result = await bubblewrap.run(shell(bubblewrap, FILL, cwd=WORKSPACE_PATH, mounts=mounts, limits=LIMITS))
    assert result.ended == "disk_limit"
    assert taken(folder) < 1000 * MIB


def test_a_look_follows_no_link_and_stops_where_the_limit_is_passed(folder: Path) -> None:
    tree, elsewhere = folder / "tree", folder / "elsewhere"
    for place in (tree, elsewhere):
        place.mkdir()
    (elsewhere / "file").write_bytes(b"x" * 4 * MIB)
    (tree / "link").symlink_to(elsewhere)
    (tree / "file").write_bytes(b"x" * MIB)
    os.link(tree / "file", tree / "same")
    use = Use()
    used(str(tree), use, LIMITS)
    assert (use.files, use.whole) == (2, True)
    assert MIB <= use.size < 2 * MIB
    for n in range(600):
        (tree / f"{n}").touch()
    use = Use()
    used(str(tree), use, LIMITS)
    assert use.files == LIMITS.disk_files + 1


def test_what_lies_too_deep_or_cannot_be_seen_makes_a_look_incomplete(folder: Path) -> None:
    deep = folder
    for _ in range(70):
        deep /= "d"
        deep.mkdir()
    use = Use()
    used(str(folder), use, LIMITS)
    assert not use.whole
    gone = Use()
    used(str(folder / "gone"), gone, LIMITS)
    assert not gone.whole
    assert not Growth((), LIMITS).over(list)


def test_files_without_a_name_are_found_by_who_holds_them() -> None:
    fd = os.memfd_create("held")
    before = unlinked([os.getpid()], memory=True)
    os.write(fd, b"x" * MIB)
    assert unlinked([os.getpid()], memory=True) - before == MIB
    assert stat.S_ISREG(os.fstat(fd).st_mode)
    os.close(fd)


def test_memory_is_told_of_processes_and_of_the_host() -> None:
    assert 0 < proportional(os.getpid()) <= resident(os.getpid()) < available()
    assert resident(2**22 + 1) == proportional(2**22 + 1) == 0


BOMB = "python3 -c 'import time; x = bytearray(60 << 20); time.sleep(20)' & "


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        (BOMB * 5 + "wait", "out_of_memory"),
        (BOMB + "sleep 0.8", None),
        (
            "python3 -c 'import os, time; x = bytearray(150 << 20); os.fork(); os.fork(); time.sleep(20)' & sleep 1.2",
            None,
        ),
    ],
    ids=["many processes", "one process", "shared pages"],
)
async def test_memory_of_all_processes_is_watched_where_the_kernel_does_not_count_it(
    text: str, expected: str | None
) -> None:
    process = await asyncio.create_subprocess_exec("bash", "-c", text, process_group=0)
    limits = SandboxLimits(memory_bytes=200 * MIB)

    def pids() -> list[int]:
        groups = (path for path in Path("/proc").iterdir() if path.name.isdigit())
        return [int(path.name) for path in groups if group_of(int(path.name)) == process.pid]

    watch = asyncio.create_task(Watch.over((), limits, pids, memory=True).passed())
    ended = asyncio.create_task(process.wait())
    done, _ = await asyncio.wait([watch, ended], return_when=asyncio.FIRST_COMPLETED)
    found = watch.result() if watch in done else None
    watch.cancel()
    os.killpg(process.pid, 9)
    await ended
    assert found == expected


def group_of(pid: int) -> int:
    try:
        return os.getpgid(pid)
    except ProcessLookupError:
        return 0
