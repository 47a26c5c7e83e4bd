"""Limits that the kernel keeps for each process."""

from domain.sandbox import SandboxLimits

OPEN_FILES = 4096
FILE_BLOCK = 512
MEMORY_BLOCK = 1024


def limit_text(limits: SandboxLimits, *, memory: bool) -> str:
    """Shell text for the first process inside; `memory` where no cgroup bounds it.

    Set inside, as processes count for each user namespace, and as a root without CAP_SYS_RESOURCE may not limit others.
    """
    wanted = ["ulimit -c 0", f"ulimit -n {OPEN_FILES}", f"ulimit -f {max(limits.file_bytes // FILE_BLOCK, 1)}"]
    if memory:
        wanted.append(f"ulimit -d {max(limits.memory_bytes // MEMORY_BLOCK, 1)}")
    # The letter for processes is u in bash and p in dash and busybox.
    wanted.append(f"{{ ulimit -u {limits.processes} || ulimit -p {limits.processes}; }}")
    # Where the host's own limit is lower, that one stays.
    return "{ " + "; ".join(wanted) + "; } 2>/dev/null"
