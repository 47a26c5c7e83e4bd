"""What a Postgres server leaves in its files about itself."""

import hashlib
import os
import tempfile
from collections.abc import Set
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path

from adapters.embedded.postgres_binaries import Account

_PROC = Path("/proc")
_SOCKET_LIMIT = 90
"""A socket's whole path must stay below 107 bytes."""


@dataclass(frozen=True)
class PidFile:
    """`postmaster.pid`: process, data directory, start, port, socket directory, address, shared memory, state."""

    pid: int
    socket: Path
    ready: bool

    @classmethod
    def read(cls, data: Path) -> "PidFile | None":
        """None where there is none, or it is not written to its end yet."""
        try:
            lines = (data / "postmaster.pid").read_text().splitlines()
            pid = int(lines[0])
        except (OSError, ValueError, IndexError):
            return None
        socket = lines[4] if len(lines) > 4 else ""
        return cls(pid=pid, socket=Path(socket), ready=len(lines) > 7 and lines[7].strip() == "ready")

    @property
    def foreign(self) -> bool:
        """Its process id belongs to something else by now, or to a zombie."""
        return _is_alive(self.pid)


def processes_in(data: Path) -> Set[int]:
    """Living processes of a server on this data directory: each of them works in it. Zombies are not alive."""
    if not _PROC.is_dir():
        found = PidFile.read(data)
        return {found.pid} if found is not None and _is_alive(found.pid) else set()
    wanted = os.path.realpath(data)
    return {int(entry.name) for entry in _PROC.iterdir() if entry.name.isdigit() and _works_in(entry, wanted)}


def log_tail(path: Path, start: int, last_bytes: int = 4000) -> str:
    """The end of what was written to a log after `start`."""
    with path.open("rb") as log:
        log.seek(max(start, log.seek(0, os.SEEK_END) - last_bytes))
        return log.read().decode(errors="replace").strip()


def socket_directory(directory: Path, account: Account) -> Path:
    """Beside the data where the path is short enough, else a short one that nobody else can have made."""
    path = directory / "socket"
    if len(os.fsencode(path)) <= _SOCKET_LIMIT:
        account.owns(path)
        return path
    owner = os.geteuid() if account.uid is None else account.uid
    path = Path(f"/tmp/perdure-{owner}-{hashlib.sha256(os.fsencode(directory)).hexdigest()[:12]}")  # noqa: S108  checked
    with suppress(FileExistsError):
        path.mkdir(mode=0o700)
        account.owns(path)
    found = path.lstat()
    if path.is_symlink() or found.st_uid != owner or found.st_mode & 0o077:
        path = Path(tempfile.mkdtemp(prefix="perdure-", dir="/tmp"))
        account.owns(path)
    return path


def _works_in(entry: Path, wanted: str) -> bool:
    try:
        return (entry / "cwd").readlink() == Path(wanted)
    except OSError:
        return False


def _is_alive(pid: int) -> bool:
    try:
        os.kill(pid, 0)
    except ProcessLookupError:
        return False
    except PermissionError:
        return True
    return True
