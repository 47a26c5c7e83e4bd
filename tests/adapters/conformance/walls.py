"""What every sandbox with walls keeps a command from. A test file subclasses this and gives `sandbox` and `user`."""

import asyncio

import pytest

from domain.sandbox import SandboxLimits
from tests.adapters.conformance.sandbox import AnySandbox, said, shell

SMALL = SandboxLimits(processes=64, memory_bytes=256 * 1024**2)


class WallsConformance:
    user: str
    """Whom commands take themselves for."""

    async def test_there_is_no_network_but_loopback(self, sandbox: AnySandbox) -> None:
        assert (await said(sandbox, "tail -n +3 /proc/net/dev | cut -d: -f1")).split() == ["lo"]
        script = """
import socket
server = socket.create_server(("127.0.0.1", 0))
socket.create_connection(server.getsockname()).close()
try: socket.create_connection(("192.0.2.1", 80), 2)
except OSError as error: print(error.errno)
"""
        assert await said(sandbox, f"python3 -c '{script}'") == "101\n"

    @pytest.mark.parametrize("family", ["AF_VSOCK", "AF_PACKET", "AF_ALG"])
    async def test_families_beyond_the_network_namespace_are_refused(self, sandbox: AnySandbox, family: str) -> None:
        script = f"import socket; socket.socket(socket.{family}, socket.SOCK_STREAM)"
        result = await sandbox.run(shell(sandbox, f"python3 -c '{script}'"))
        assert b"Address family not supported" in result.head

    async def test_no_rights_are_left_and_none_can_be_gained(self, sandbox: AnySandbox) -> None:
        status = await said(sandbox, "grep -E '^(Cap|NoNewPrivs|Seccomp:)' /proc/self/status")
        words = dict(line.split(":\t") for line in status.splitlines())
        assert {int(words[name], 16) for name in words if name.startswith("Cap")} == {0}
        assert (words["NoNewPrivs"], words["Seccomp"]) == ("1", "2")
        user, groups = (await said(sandbox, "id -u; id -G")).splitlines()
        assert user == str(self.user)
        # Groups of an ordinary user cannot be given up; they are nobody's inside, and lead to nothing that is mounted.
        assert set(groups.split()) <= {user, "65534"}

    @pytest.mark.parametrize(
        "attempt",
        [
            *("unshare --user true", "unshare --mount true", "mount -t tmpfs none /tmp", "umount /tmp"),
            "chroot / true",
            "python3 -c 'import ctypes, os; os._exit(ctypes.CDLL(None).ptrace(16, 1, 0, 0) == -1)'",
            "python3 -c 'import ctypes, os; os._exit(ctypes.CDLL(None).syscall(425, 1, 0) == -1)'",
            "mknod /tmp/disk b 8 0",
        ],
    )
    async def test_escapes_are_refused(self, sandbox: AnySandbox, attempt: str) -> None:
        assert (await sandbox.run(shell(sandbox, attempt))).exit_code != 0

    async def test_threads_processes_and_pipes_work_under_the_filter(self, sandbox: AnySandbox) -> None:
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
        assert await said(sandbox, "cat >/tmp/s.py; python3 /tmp/s.py", stdin=script.encode()) == "\n"

    async def test_a_fork_bomb_is_bounded_and_spares_its_neighbour(self, sandbox: AnySandbox) -> None:
        bomb = "for i in $(seq 200); do sleep 3 & done 2>/dev/null; jobs -p | wc -l"
        command = shell(sandbox, bomb, limits=SMALL, timeout_seconds=8, name="bomb")
        neighbour = shell(sandbox, "sleep 1; for i in $(seq 40); do sleep 1 & done; wait; echo fine", name="neighbour")
        bombed, other = await asyncio.gather(sandbox.run(command), sandbox.run(neighbour))
        assert other.head == b"fine\n"
        assert bombed.exit_code != 0 or int(bombed.head.split()[-1]) <= 64

    async def test_a_memory_bomb_is_bounded(self, sandbox: AnySandbox) -> None:
        bomb = "python3 -c 'x = bytearray(400 * 1024**2); print(len(x))'"
        result = await sandbox.run(shell(sandbox, bomb, limits=SMALL, name="memory"))
        if sandbox.enforcement().memory == "cgroup":
            assert (result.ended, result.exit_code) == ("out_of_memory", 137)
        else:
            assert b"MemoryError" in result.head
        fits = "python3 -c 'x = bytearray(100 * 1024**2); print(len(x))'"
        assert await said(sandbox, fits, limits=SMALL) == "104857600\n"

    async def test_where_groups_are_made_they_count_the_whole_command(self, sandbox: AnySandbox) -> None:
        if sandbox.enforcement().memory != "cgroup":
            return
        part = "python3 -c 'import time; x = bytearray(100 * 1024**2); time.sleep(3)' &"
        result = await sandbox.run(shell(sandbox, f"{part} {part} {part} wait -n", limits=SMALL, name="whole"))
        assert result.ended == "out_of_memory"
