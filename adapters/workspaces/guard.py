"""Who may touch a workspace's files: readers of this process together, or one writer on this host."""

from collections.abc import AsyncGenerator
from contextlib import asynccontextmanager
from pathlib import Path
from weakref import WeakValueDictionary

from adapters.workspaces.apply import Owner
from adapters.workspaces.bases import disk
from adapters.workspaces.layout import make_passage, workspace_path
from adapters.workspaces.locks import SharedLock, held, in_thread, open_lock


class Guard:
    def __init__(self, home: Path, owner: Owner) -> None:
        self._home = home
        self._owner = owner
        self._locks: WeakValueDictionary[str, SharedLock] = WeakValueDictionary()

    def of(self, workspace_id: str) -> SharedLock:
        lock = self._locks.get(workspace_id)
        if lock is None:
            lock = self._locks[workspace_id] = SharedLock()
        return lock

    @asynccontextmanager
    async def alone(self, workspace_id: str) -> AsyncGenerator[None]:
        async with self.of(workspace_id).alone(), disk():
            workspace = workspace_path(self._home, workspace_id)
            try:
                lock = open_lock(workspace / "lock")
            except FileNotFoundError:
                await in_thread(make_passage, (self._home, workspace), self._owner)
                lock = open_lock(workspace / "lock")
            async with held(lock):
                yield
