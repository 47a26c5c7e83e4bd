"""Compiles the filters: `python -m adapters.sandboxes.seccomp.build`. Needs pyseccomp and libseccomp."""

import errno
from collections.abc import Sequence
from pathlib import Path
from typing import BinaryIO

import pyseccomp

ARCHITECTURES = {"x86_64": pyseccomp.Arch.X86_64, "aarch64": pyseccomp.Arch.AARCH64}

REFUSED = """
    mount umount2 pivot_root chroot open_tree move_mount fsopen fsconfig fsmount fspick mount_setattr
    unshare setns
    ptrace process_vm_readv process_vm_writev pidfd_getfd kcmp process_madvise
    bpf perf_event_open userfaultfd fanotify_init open_by_handle_at
    keyctl add_key request_key
    kexec_load kexec_file_load init_module finit_module delete_module
    reboot swapon swapoff acct quotactl quotactl_fd syslog vhangup lookup_dcookie nfsservctl
    settimeofday clock_settime clock_adjtime adjtimex sethostname setdomainname
    move_pages migrate_pages
"""
REFUSED_ON_X86 = "iopl ioperm modify_ldt uselib _sysctl create_module get_kernel_syms query_module ustat sysfs"
ABSENT = "clone3 io_uring_setup io_uring_enter io_uring_register"
"""Answered as by an older kernel, so that callers fall back: clone3 hides its flags from a filter."""

NEW_NAMESPACES = (0x00020000, 0x02000000, 0x04000000, 0x08000000, 0x10000000, 0x20000000, 0x40000000)
TIOCSTI, TIOCLINUX = 0x5412, 0x541C
LOW_32_BITS = 0xFFFFFFFF
AF_UNIX, AF_INET, AF_INET6, AF_NETLINK = 1, 2, 10, 16


def add_rules(rules: pyseccomp.SyscallFilter, names: Sequence[str]) -> None:
    refuse = pyseccomp.ERRNO(errno.EPERM)
    for name in names:
        rules.add_rule(refuse, name)
    for name in ABSENT.split():
        rules.add_rule(pyseccomp.ERRNO(errno.ENOSYS), name)
    for flag in NEW_NAMESPACES:
        rules.add_rule(refuse, "clone", pyseccomp.Arg(0, pyseccomp.MASKED_EQ, flag, flag))
    for request in (TIOCSTI, TIOCLINUX):
        rules.add_rule(refuse, "ioctl", pyseccomp.Arg(1, pyseccomp.MASKED_EQ, LOW_32_BITS, request))
    # AF_VSOCK and its like are not bound to a network namespace. Compared whole: high bits set are above 16, too.
    no_family = pyseccomp.ERRNO(errno.EAFNOSUPPORT)
    for family in range(AF_NETLINK):
        if family not in (AF_UNIX, AF_INET, AF_INET6):
            rules.add_rule(no_family, "socket", pyseccomp.Arg(0, pyseccomp.EQ, family))
    rules.add_rule(no_family, "socket", pyseccomp.Arg(0, pyseccomp.GT, AF_NETLINK))


def compile_filter(machine: str, target: BinaryIO) -> None:
    rules = pyseccomp.SyscallFilter(pyseccomp.ALLOW)
    native = pyseccomp.system_arch()
    wanted = ARCHITECTURES[machine]
    if native != wanted:
        rules.remove_arch(native)
        rules.add_arch(wanted)
    names = REFUSED.split() + (REFUSED_ON_X86.split() if machine == "x86_64" else [])
    add_rules(rules, names)
    rules.export_bpf(target)


def main() -> None:
    for machine in ARCHITECTURES:
        with (Path(__file__).parent / f"{machine}.bpf").open("wb") as target:
            compile_filter(machine, target)


if __name__ == "__main__":
    main()
