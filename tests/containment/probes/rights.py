"""18 to 23, 31, 34: what the kernel lets a command do."""

import ctypes
import errno
import fcntl
import os
import platform
import pty
import socket
import stat
import subprocess
import termios
from collections.abc import Callable
from pathlib import Path

from tests.containment.probes.protocol import Breach, probe, refused

libc = ctypes.CDLL(None, use_errno=True)
CLONE_NEWNS, CLONE_NEWUSER = 0x00020000, 0x10000000
CALLS = {
    "x86_64": {
        **{"process_vm_readv": 310, "kexec_load": 246, "init_module": 175, "bpf": 321, "perf_event_open": 298},
        **{"io_uring_setup": 425, "keyctl": 250, "add_key": 248, "request_key": 249, "userfaultfd": 323},
        **{"open_by_handle_at": 304, "setns": 308, "pivot_root": 155, "reboot": 169, "swapon": 167, "fsopen": 430},
        **{"move_mount": 429, "open_tree": 428, "mount_setattr": 442, "acct": 163, "settimeofday": 164},
    },
    "aarch64": {
        **{"process_vm_readv": 270, "kexec_load": 104, "init_module": 105, "bpf": 280, "perf_event_open": 241},
        **{"io_uring_setup": 425, "keyctl": 219, "add_key": 217, "request_key": 218, "userfaultfd": 282},
        **{"open_by_handle_at": 265, "setns": 268, "pivot_root": 41, "reboot": 142, "swapon": 224, "fsopen": 430},
        **{"move_mount": 429, "open_tree": 428, "mount_setattr": 442, "acct": 89, "settimeofday": 170},
    },
}[platform.machine()]
KNOBS = (
    *("/proc/sysrq-trigger", "/proc/sys/kernel/core_pattern", "/proc/sys/kernel/modprobe", "/proc/sys/kernel/hostname"),
    *("/proc/sys/vm/overcommit_memory", "/proc/sys/net/ipv4/ip_forward", "/proc/sys/fs/binfmt_misc/register"),
    *("/sys/kernel/uevent_helper", "/sys/kernel/mm/transparent_hugepage/enabled", "/sys/fs/cgroup/cgroup.procs"),
    *("/sys/fs/cgroup/release_agent", "/sys/fs/cgroup/memory/cgroup.procs", "/sys/fs/cgroup/memory/release_agent"),
    *("/sys/fs/cgroup/memory/memory.limit_in_bytes", "/sys/fs/cgroup/pids/cgroup.procs"),
)
DEVICES = ("mem", "kmsg", "kvm", "fuse", "net/tun", "sda", "vda", "loop0", "loop-control")
HARMLESS = {
    *("null", "zero", "full", "random", "urandom", "tty", "ptmx", "console", "core", "fd"),
    *("stdin", "stdout", "stderr", "pts", "shm", "mqueue"),
}


def called(result: int) -> None:
    if result == -1:
        raise OSError(ctypes.get_errno(), os.strerror(ctypes.get_errno()))


def status() -> dict[str, str]:
    lines = Path("/proc/self/status").read_text().splitlines()
    return {name: value.strip() for name, _, value in (line.partition(":") for line in lines)}


@probe("18")
def capabilities() -> str:
    found = status()
    sets = {name: int(found[name], 16) for name in ("CapInh", "CapPrm", "CapEff", "CapBnd", "CapAmb")}
    if any(sets.values()) or found["NoNewPrivs"] != "1" or found["Uid"].split()[1] == "0":
        raise Breach(f"{sets}, NoNewPrivs {found['NoNewPrivs']}, uid {found['Uid']}")
    return "none, and none can be gained"


@probe("19")
def mounts_and_namespaces() -> str:
    refused("mounting", lambda: called(libc.mount(b"none", b"/tmp", b"tmpfs", 0, None)))
    refused("unmounting", lambda: called(libc.umount2(b"/proc", 2)))
    refused("a user namespace", lambda: called(libc.unshare(CLONE_NEWUSER)))
    refused("a mount namespace", lambda: called(libc.unshare(CLONE_NEWNS)))
    return refused("both", lambda: called(libc.unshare(CLONE_NEWUSER | CLONE_NEWNS)))


@probe("20")
def system_calls() -> str:
    reached = []
    for name, number in CALLS.items():
        ctypes.set_errno(0)
        result = libc.syscall(number, 0, 0, 0, 0, 0, 0)
        if result != -1 or ctypes.get_errno() not in (errno.EPERM, errno.ENOSYS):
            reached.append(f"{name} ({errno.errorcode.get(ctypes.get_errno(), result)})")
    if reached:
        raise Breach(f"reached: {reached}")
    return f"none of {len(CALLS)} can be reached"


@probe("21")
def knobs() -> str:
    for path in KNOBS:
        if Path(path).exists():
            refused(f"opening {path}", lambda path=path: os.close(os.open(path, os.O_WRONLY)))
    for group in Path("/sys/fs/cgroup").glob("*/*/cgroup.procs"):
        refused(f"opening {group}", lambda group=group: os.close(os.open(group, os.O_WRONLY)))
    return "none of the kernel's can be turned"


@probe("22")
def devices() -> str:
    strange = {path.name for path in Path("/dev").iterdir()} - HARMLESS
    if strange:
        raise Breach(f"devices: {strange}")
    for name in DEVICES:
        refused(f"opening /dev/{name}", lambda name=name: os.close(os.open(f"/dev/{name}", os.O_RDWR)))
    for kind, number in ((stat.S_IFBLK, os.makedev(8, 0)), (stat.S_IFCHR, os.makedev(1, 1))):
        refused("making a device", lambda kind=kind, number=number: os.mknod("/workspace/device", kind | 0o666, number))
    return "harmless ones only, and no others can be made"


@probe("23")
def terminals() -> str:
    refused("opening a controlling terminal", lambda: os.close(os.open("/dev/tty", os.O_RDWR)))
    pid, fd = pty.fork()
    if pid == 0:
        try:
            fcntl.ioctl(0, termios.TIOCSTI, b"x")
        except OSError:
            os._exit(0)
        os._exit(1)
    code = os.waitstatus_to_exitcode(os.waitpid(pid, 0)[1])
    os.close(fd)
    if code:
        raise Breach("keys were pushed into a terminal")
    return "there is none, and into a new one no key can be pushed"


@probe("31")
def unshare_program() -> str:
    done = subprocess.run(["unshare", "-Ur", "id", "-u"], capture_output=True, text=True, check=False)
    if done.returncode == 0:
        raise Breach(f"unshare -Ur became user {done.stdout}")
    return done.stderr.strip()


@probe("34")
def rights_by_files() -> str:
    place = Path("/workspace/become")
    place.write_bytes(Path("/usr/bin/id").read_bytes())
    place.chmod(0o6755)
    said = subprocess.run([str(place), "-u"], capture_output=True, text=True, check=False).stdout.strip()
    if said != str(os.getuid()) or said == "0":
        raise Breach(f"a set-user-id program became user {said}")
    rights = bytes.fromhex("0100000200040000000000000000000000000000")
    refused("file capabilities", lambda: os.setxattr(place, "security.capability", rights))
    refused("another owner", lambda: os.chown(place, 0, 0))
    attempts: dict[str, Callable[[], object]] = {
        "raising a limit": lambda: os.setpriority(os.PRIO_PROCESS, 0, -5),
        "a raw socket": lambda: socket.socket(socket.AF_INET, socket.SOCK_RAW, 1),
        "another user": lambda: os.setuid(0),
    }
    for what, attempt in attempts.items():
        refused(what, attempt)
    return "no bit, capability or call gives more"
