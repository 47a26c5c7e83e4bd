"""The home of a stack: its directories, its token, and the lock that lets one `up` in."""

import fcntl
import json
import os
import secrets
from pathlib import Path
from typing import Any, TextIO

from domain.errors import Conflict, OutOfSpace


class Home:
    def __init__(self, path: Path) -> None:
        self.path = path.absolute()
        self.postgres = self.path / "postgres"
        self.temporal = self.path / "temporal"
        self.worker = self.path / "worker"
        self.logs = self.path / "logs"
        self._lock: TextIO | None = None

    def make(self) -> None:
        """As root, accounts with fewer rights must pass through: the database's and the agents'."""
        try:
            self.path.mkdir(parents=True, exist_ok=True)
            self.path.chmod(0o711 if os.geteuid() == 0 else 0o700)
            self.logs.mkdir(exist_ok=True)
            self.logs.chmod(0o700)
        except OSError as error:
            raise OutOfSpace(
                f"{self.path} cannot be used: {error.strerror}", "Set PERDURE_HOME to a directory of yours."
            ) from error

    def lock(self) -> None:
        """Held until this process ends, however it ends. Conflict names who holds it."""
        lock = (self.path / "up.lock").open("a+")
        try:
            fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            with lock:
                lock.seek(0)
                raise self._taken(lock.read()) from None
        self._lock = lock
        self._write_lock({"pid": os.getpid()})

    def unlock(self) -> None:
        if self._lock is not None:
            self._lock.close()
            self._lock = None

    def announce(self, answers: dict[str, str]) -> None:
        """Tells other commands where the stack is, and the next `up` who holds the lock."""
        self._write_lock({"pid": os.getpid(), "api": answers["api"]})
        write_secret(self.path / "stack.json", json.dumps(answers) + "\n")

    def withdraw(self) -> None:
        (self.path / "stack.json").unlink(missing_ok=True)

    def announced(self) -> dict[str, str]:
        """What the last `up` said; it may have been killed since."""
        return read_object(self.path / "stack.json")

    def token(self) -> str | None:
        try:
            return (self.path / "token").read_text().strip() or None
        except OSError:
            return None

    def make_token(self) -> str:
        """Made once: a token that was noted down stays good."""
        if known := self.token():
            return known
        made = "pdr_" + secrets.token_urlsafe(24)
        write_secret(self.path / "token", made + "\n")
        return made

    def _write_lock(self, holder: dict[str, Any]) -> None:
        assert self._lock is not None, "not locked"
        self._lock.seek(0)
        self._lock.truncate()
        self._lock.write(json.dumps(holder))
        self._lock.flush()

    def _taken(self, holder: str) -> Conflict:
        try:
            known = json.loads(holder)
        except ValueError:
            known = {}
        api = known.get("api", "which is still starting")
        return Conflict(
            f"`perdure up` runs already in {self.path}: process {known.get('pid', 'unknown')}, API {api}",
            "Use that one, end it with Ctrl-C, or set PERDURE_HOME for a second stack.",
        )


def write_secret(path: Path, text: str) -> None:
    """Whole or not at all, and never readable by others, not for a moment."""
    fresh = path.with_name(f".{path.name}.{os.getpid()}")
    fresh.unlink(missing_ok=True)
    with os.fdopen(os.open(fresh, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600), "w") as file:
        file.write(text)
    fresh.replace(path)


def read_object(path: Path) -> dict[str, str]:
    try:
        found = json.loads(path.read_text())
    except (OSError, ValueError):
        return {}
    return {str(name): str(value) for name, value in found.items()} if isinstance(found, dict) else {}
