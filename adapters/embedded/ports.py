"""Loopback ports: which are free."""

import socket
import time
from contextlib import suppress
from pathlib import Path

LOOPBACK = "127.0.0.1"


def free_port() -> int:
    """A port that nobody listens on now; another process may take it before the caller does."""
    with socket.socket() as probe:
        probe.bind((LOOPBACK, 0))
        return int(probe.getsockname()[1])


def is_free(port: int) -> bool:
    with socket.socket() as probe:
        # As servers do: connections of a former server that are still closing do not count.
        probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            probe.bind((LOOPBACK, port))
        except OSError:
            return False
    return True


def becomes_free(port: int, within_seconds: float = 2.0) -> bool:
    """Waits a little: a server that was told to stop needs a moment to give its port back."""
    deadline = time.monotonic() + within_seconds
    while not is_free(port):
        if time.monotonic() > deadline:
            return False
        time.sleep(0.05)
    return True


def holder_of(port: int) -> str:
    """Who listens there, as far as this user may know: `name (process 12)`, or ""."""
    with suppress(OSError):
        listening = {f"socket:[{inode}]" for inode in _listening_sockets(port)}
        for process in Path("/proc").glob("[0-9]*"):
            with suppress(OSError):
                if any(str(file.readlink()) in listening for file in (process / "fd").iterdir()):
                    return f"{(process / 'comm').read_text().strip()} (process {process.name})"
    return ""


def _listening_sockets(port: int) -> set[str]:
    lines = [line.split() for table in ("tcp", "tcp6") for line in Path("/proc/net", table).read_text().splitlines()]
    return {line[9] for line in lines if line[3] == "0A" and int(line[1].rpartition(":")[2], 16) == port}
