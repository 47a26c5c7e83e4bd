"""16, 17, 24 to 26: other processes, and what is left of one's own."""

import ctypes
import os
import signal
import stat
import subprocess
from pathlib import Path

from tests.containment.probes.protocol import FACTS, Breach, probe, refused

PTRACE_ATTACH = 16
libc = ctypes.CDLL(None, use_errno=True)


def ptrace(pid: int) -> None:
    if libc.ptrace(PTRACE_ATTACH, pid, 0, 0) == -1:
        raise OSError(ctypes.get_errno(), os.strerror(ctypes.get_errno()))


@probe("16")
def tracing() -> str:
    victim = int(FACTS["victim"])
    child = subprocess.Popen(["sleep", "20"])
    for pid in (victim, 1, child.pid):
        refused(f"tracing {pid}", lambda pid=pid: ptrace(pid))
    child.kill()
    child.wait()
    return refused("the memory of a process of the host", lambda: Path(f"/proc/{victim}/mem").open("r+b").close())


@probe("17")
def killing_others() -> str:
    victim = int(FACTS["victim"])
    refused(f"killing {victim}", lambda: os.kill(victim, signal.SIGKILL))
    return refused("killing its group", lambda: os.killpg(victim, signal.SIGKILL))


@probe("24")
def descriptors() -> str:
    found: list[str] = []
    for fd in range(3, 1024):
        try:
            mode = os.fstat(fd).st_mode
        except OSError:
            continue
        found.append(f"{fd} of type {stat.S_IFMT(mode):o}")
    if found:
        raise Breach(f"open: {found}")
    return "none but the three"


@probe("25")
def daemons() -> str:
    """The host looks for it once this command has ended."""
    if os.fork() == 0:
        os.setsid()
        if os.fork() == 0:
            null = os.open("/dev/null", os.O_RDWR)
            for fd in (0, 1, 2):
                os.dup2(null, fd)
            os.execvp("sleep", ["sleep", FACTS["daemon"]])
        os._exit(0)
    os.wait()
    return "one was left behind"


@probe("26")
def processes_seen() -> str:
    victim = FACTS["victim"]
    if Path(f"/proc/{victim}").exists():
        raise Breach(f"process {victim} of the host is to be seen")
    pids = [path.name for path in Path("/proc").iterdir() if path.name.isdigit()]
    lines = [Path(f"/proc/{pid}/cmdline").read_bytes().decode(errors="replace") for pid in pids]
    if len(pids) > 8 or any("pytest" in line for line in lines):
        raise Breach(f"{len(pids)} processes: {lines}")
    return f"{len(pids)} processes, all of this sandbox"
