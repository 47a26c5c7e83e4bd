"""What the kernel tells of processes."""

import contextlib
from pathlib import Path


def children_of(pid: int) -> list[int]:
    """Direct children; from the kernel's list where it keeps one, else from every process's parent."""
    try:
        return [int(word) for word in Path(f"/proc/{pid}/task/{pid}/children").read_text().split()]
    except FileNotFoundError:
        return [other for other in all_pids() if _field(other, 1) == pid]


def family_of(pid: int) -> list[int]:
    """`pid` and its living descendants. Of a namespace's first process: all that is in it."""
    found = {pid: None}
    for one in (waiting := [pid]):
        for child in _children_of_threads(one):
            if child not in found:
                found[child] = None
                waiting.append(child)
    return list(found)


def _children_of_threads(pid: int) -> list[int]:
    with contextlib.suppress(OSError):
        lists = [task / "children" for task in Path(f"/proc/{pid}/task").iterdir()]
        return [int(word) for path in lists for word in path.read_text().split()]
    return []


def all_pids() -> list[int]:
    return [int(entry.name) for entry in Path("/proc").iterdir() if entry.name.isdigit()]


def arguments_of(pid: int) -> list[bytes]:
    return Path(f"/proc/{pid}/cmdline").read_bytes().split(b"\0")


def filters_of(pid: int) -> int:
    """How many filters of system calls are on its main thread. Raises OSError, or ValueError where none are counted."""
    for line in Path(f"/proc/{pid}/status").read_bytes().splitlines():
        if line.startswith(b"Seccomp_filters:"):
            return int(line.split()[1])
    raise ValueError("this kernel does not count filters of system calls")


def tree_of(pid: int) -> list[int]:
    """Living processes of the session that `pid` leads, and descendants of any of them."""
    found = {pid}
    living = {other: status for other in all_pids() if (status := _status(other)) and status[0] != "Z"}
    new = {pid}
    while new:
        found |= new
        new = {
            other
            for other, status in living.items()
            if other not in found and (status[3] == str(pid) or int(status[1]) in found)
        }
    return [other for other in found if other in living]


def _field(pid: int, index: int) -> int | None:
    status = _status(pid)
    return int(status[index]) if status else None


def _status(pid: int) -> list[str] | None:
    """State, parent, process group, session ...; None where there is no such process."""
    with contextlib.suppress(OSError):
        # The name, in parentheses, may hold anything.
        return Path(f"/proc/{pid}/stat").read_text(errors="replace").rpartition(")")[2].split()
    return None
