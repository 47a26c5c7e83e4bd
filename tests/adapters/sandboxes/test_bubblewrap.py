"""What bubblewrap adds to the contract: containment."""

import asyncio
import gc
import os
import subprocess
from pathlib import Path

import pytest

from adapters.sandboxes.bubblewrap import BubblewrapSandbox
from domain.errors import SandboxRefused
from domain.sandbox import HOME_PATH, ReadOnlyMount, SandboxLimits
from tests.adapters.conformance.mounts import MountConformance
from tests.adapters.conformance.sandbox import SandboxConformance, said, shell
from tests.adapters.sandboxes.conftest import AGENT_UID

SMALL = SandboxLimits(processes=64, memory_bytes=256 * 1024**2)


class TestBubblewrapSandbox(SandboxConformance, MountConformance):
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


async def test_there_is_no_network_but_loopback(bubblewrap: BubblewrapSandbox) -> None:
    assert (await said(bubblewrap, "ls /sys 2>/dev/null; tail -n +3 /proc/net/dev | cut -d: -f1")).split() == ["lo"]
    script = """
import socket
server = socket.create_server(("127.0.0.1", 0))
socket.create_connection(server.getsockname()).close()
try: socket.create_connection(("192.0.2.1", 80), 2)
except OSError as error: print(error.errno)
"""
    assert await said(bubblewrap, f"python3 -c '{script}'") == "101\n"


@pytest.mark.parametrize("family", ["AF_VSOCK", "AF_PACKET", "AF_ALG"])
async def test_families_beyond_the_network_namespace_are_refused(bubblewrap: BubblewrapSandbox, family: str) -> None:
    script = f"import socket; socket.socket(socket.{family}, socket.SOCK_STREAM)"
    result = await bubblewrap.run(shell(bubblewrap, f"python3 -c '{script}'"))
    assert b"Address family not supported" in result.head


async def test_no_rights_are_left_and_none_can_be_gained(bubblewrap: BubblewrapSandbox) -> None:
    status = await said(bubblewrap, "grep -E '^(Cap|NoNewPrivs|Seccomp:)' /proc/self/status")
    words = dict(line.split(":\t") for line in status.splitlines())
    assert {int(words[name], 16) for name in words if name.startswith("Cap")} == {0}
    assert (words["NoNewPrivs"], words["Seccomp"]) == ("1", "2")
    assert await said(bubblewrap, "id -u; id -G") == "1000\n1000\n"


@pytest.mark.parametrize(
    "attempt",
    [
        *("unshare --user true", "unshare --mount true", "mount -t tmpfs none /tmp", "umount /tmp", "chroot / true"),
        "python3 -c 'import ctypes, os; os._exit(ctypes.CDLL(None).ptrace(16, 1, 0, 0) == -1)'",
        "python3 -c 'import ctypes, os; os._exit(ctypes.CDLL(None).syscall(425, 1, 0) == -1)'",
        "mknod /tmp/disk b 8 0",
    ],
)
async def test_escapes_are_refused(bubblewrap: BubblewrapSandbox, attempt: str) -> None:
    assert (await bubblewrap.run(shell(bubblewrap, attempt))).exit_code != 0


async def test_threads_processes_and_pipes_work_under_the_filter(bubblewrap: BubblewrapSandbox) -> None:
    script = """
import asyncio, multiprocessing, sqlite3, subprocess, threading
def work(n): return n + 1
if __name__ == "__main__":
    threading.Thread(target=print).start()
    with multiprocessing.Pool(2) as pool: assert pool.map(work, [1, 2]) == [2, 3]
    assert subprocess.run(["cat"], input=b"x", capture_output=True).stdout == b"x"
    async def main(): await (await asyncio.create_subprocess_exec("true")).wait()
    asyncio.run(main())
    sqlite3.connect("/tmp/db").execute("create table t (a)")
"""
    assert await said(bubblewrap, "cat >/tmp/s.py; python3 /tmp/s.py", stdin=script.encode()) == "\n"


async def test_a_fork_bomb_is_bounded_and_spares_its_neighbour(bubblewrap: BubblewrapSandbox) -> None:
    bomb = "for i in $(seq 200); do sleep 3 & done 2>/dev/null; jobs -p | wc -l"
    command = shell(bubblewrap, bomb, limits=SMALL, timeout_seconds=8, name="bomb")
    neighbour = shell(bubblewrap, "sleep 1; for i in $(seq 40); do sleep 1 & done; wait; echo fine", name="neighbour")
    bombed, other = await asyncio.gather(bubblewrap.run(command), bubblewrap.run(neighbour))
    assert other.head == b"fine\n"
    assert bombed.exit_code != 0 or int(bombed.head.split()[-1]) <= 64


async def test_a_memory_bomb_is_bounded(bubblewrap: BubblewrapSandbox) -> None:
    bomb = "python3 -c 'x = bytearray(400 * 1024**2); print(len(x))'"
    result = await bubblewrap.run(shell(bubblewrap, bomb, limits=SMALL, name="memory"))
    if bubblewrap.enforcement().memory == "cgroup":
        assert (result.ended, result.exit_code) == ("out_of_memory", 137)
    else:
        assert b"MemoryError" in result.head
    fits = "python3 -c 'x = bytearray(100 * 1024**2); print(len(x))'"
    assert await said(bubblewrap, fits, limits=SMALL) == "104857600\n"


async def test_where_groups_are_made_they_count_the_whole_command(bubblewrap: BubblewrapSandbox) -> None:
    if bubblewrap.enforcement().memory != "cgroup":
        return
    part = "python3 -c 'import time; x = bytearray(100 * 1024**2); time.sleep(3)' &"
    result = await bubblewrap.run(shell(bubblewrap, f"{part} {part} {part} wait -n", limits=SMALL, name="whole"))
    assert result.ended == "out_of_memory"


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
    names = ["bubblewrap", "namespaces", "overlay", "system calls", "network", "control groups", "toolchain"]
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
