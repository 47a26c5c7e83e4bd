"""A worker process's own directory: what it was doing, for whoever starts next on this host."""

import asyncio
import contextlib
import fcntl
import hashlib
import os
import shutil
from collections.abc import Iterator
from pathlib import Path
from uuid import uuid4

MAKING = "."
ALIVE_SECONDS = 5.0


class Instance:
    """`instances/<id>/`, held by a lock for as long as the process lives; implements domain.ports.LiveTasks."""

    def __init__(self, worker_home: Path) -> None:
        self._all = worker_home / "instances"
        self.path = self._all / uuid4().hex
        # Under another name until it is locked: a worker that starts just now must not take it for a dead one's.
        making = self._all / f"{MAKING}{self.path.name}"
        (making / "tokens").mkdir(parents=True, mode=0o700)
        self._lock = os.open(making / "lock", os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
        fcntl.flock(self._lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        making.rename(self.path)

    async def live(self, stop: asyncio.Event) -> None:
        """Until `stop` is set, the file `alive` says by its time that this process still turns: deploy/healthy.py."""
        while not stop.is_set():
            with contextlib.suppress(OSError):
                (self.path / "alive").touch()
            with contextlib.suppress(TimeoutError):
                async with asyncio.timeout(ALIVE_SECONDS):
                    await stop.wait()

    def hold(self, token: bytes, attempt: int) -> None:
        """Written before the activity begins. Not synced: after a power cut there is no process left to fail."""
        # Only speed depends on it: a full disk stops no activity here.
        with contextlib.suppress(OSError):
            (self.path / "tokens" / _name(token)).write_bytes(attempt.to_bytes(4) + token)

    def release(self, token: bytes) -> None:
        with contextlib.suppress(OSError):
            (self.path / "tokens" / _name(token)).unlink(missing_ok=True)

    def dead(self) -> Iterator[Path]:
        """Directories whose process is gone; each is locked by us while the caller looks at it, and then removed."""
        for path in sorted(self._all.iterdir()):
            if path == self.path or path.name.startswith(MAKING):
                continue
            try:
                lock = os.open(path / "lock", os.O_RDWR | os.O_CLOEXEC)
            except FileNotFoundError:
                continue
            try:
                fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
                yield path
                shutil.rmtree(path, ignore_errors=True)
            except BlockingIOError:
                continue
            finally:
                os.close(lock)

    def alone(self) -> bool:
        """Whether no other worker process lives in this home."""
        return not any(path != self.path and _is_locked(path / "lock") for path in self._all.iterdir())

    def close(self) -> None:
        shutil.rmtree(self.path, ignore_errors=True)
        os.close(self._lock)


def tokens(path: Path) -> list[tuple[bytes, int]]:
    """Each with its attempt. What the worker was just writing when it died, or made for, has none yet."""
    found = [file.read_bytes() for file in sorted((path / "tokens").glob("*"))]
    return [(one[4:], int.from_bytes(one[:4])) for one in found if len(one) > 4]


def host_id(worker_home: Path, name: str) -> str:
    """The host's id: a file in the worker's home, made once, so that a restart keeps its task queue."""
    path = worker_home / "host_id"
    worker_home.mkdir(parents=True, exist_ok=True)
    if not path.exists():
        made = path.with_suffix(f".{os.getpid()}")
        made.write_text(f"{name}-{uuid4().hex[:8]}\n")
        try:
            os.link(made, path)
        except FileExistsError:
            pass
        finally:
            made.unlink()
    return path.read_text().strip()


def _name(token: bytes) -> str:
    return hashlib.sha256(token).hexdigest()[:32]


def _is_locked(path: Path) -> bool:
    try:
        lock = os.open(path, os.O_RDWR | os.O_CLOEXEC)
    except FileNotFoundError:
        return False
    try:
        fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        return True
    finally:
        os.close(lock)
    return False
