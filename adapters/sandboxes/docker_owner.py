"""Whose containers they are: each sandbox of a worker's home has a file that is locked for as long as it lives."""

import contextlib
import fcntl
import hashlib
import os
from pathlib import Path
from uuid import uuid4

LABELS = HOME, OWNER, RUN, COMMAND, DEADLINE = tuple(
    f"perdure.{name}" for name in ("home", "owner", "run", "command", "deadline")
)


class Owner:
    def __init__(self, worker_home: Path) -> None:
        self.home = self.label(worker_home)
        self._place = worker_home / "sandbox" / "docker"
        self._place.mkdir(mode=0o711, parents=True, exist_ok=True)
        self.name = uuid4().hex
        # Locked before anybody can find it by its name.
        making = self._place / f".{self.name}"
        self._lock = os.open(making, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
        fcntl.flock(self._lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        making.rename(self._place / self.name)

    @staticmethod
    def label(worker_home: Path) -> str:
        """What the containers of a worker's home are labelled with."""
        return hashlib.sha256(str(worker_home).encode()).hexdigest()[:16]

    def is_gone(self, name: str) -> bool:
        """Whether the owner of that name has died."""
        if name == self.name:
            return False
        try:
            lock = os.open(self._place / Path(name).name, os.O_RDWR | os.O_CLOEXEC)
        except OSError:
            return True
        try:
            fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            return False
        finally:
            os.close(lock)
        return True

    def forget_the_gone(self) -> None:
        """Once nothing of theirs is left."""
        for path in self._place.iterdir():
            if not path.name.startswith(".") and self.is_gone(path.name):
                path.unlink(missing_ok=True)

    def close(self) -> None:
        with contextlib.suppress(OSError):
            (self._place / self.name).unlink()
        os.close(self._lock)
