"""Attempts that write right into a plain tree: one at a time in a workspace, and never beside one that may be alive."""

import asyncio
from collections.abc import Callable
from weakref import ref

from adapters.workspaces.ledger import TreeMark
from adapters.workspaces.locks import PATIENCE_SECONDS
from domain.errors import StorageUnavailable

LOOK_SECONDS = 0.05


class Attempts:
    """Which task of this process makes the attempt that writes in a workspace."""

    def __init__(self, patience_seconds: float = PATIENCE_SECONDS) -> None:
        self._patience_seconds = patience_seconds
        self._made: dict[str, tuple[str, Callable[[], asyncio.Task[object] | None]]] = {}

    def begin(self, workspace_id: str, attempt_id: str) -> None:
        task = asyncio.current_task()
        assert task is not None
        self._made[workspace_id] = (attempt_id, ref(task))

    def end(self, workspace_id: str) -> None:
        self._made.pop(workspace_id, None)

    def is_alive(self, workspace_id: str, mark: TreeMark) -> bool:
        """Whether another task, or another process, may be writing under this mark."""
        if mark.applying is None:
            return False
        attempt_id, task_of = self._made.get(workspace_id, ("", lambda: None))
        task = task_of() if attempt_id == mark.applying else None
        return mark.is_held or (task is not None and not task.done() and task is not asyncio.current_task())

    async def wait(self, workspace_id: str, look: Callable[[], TreeMark | None]) -> None:
        """Until nobody writes in the workspace. Raises StorageUnavailable where that takes long."""
        deadline = asyncio.get_running_loop().time() + self._patience_seconds
        while (mark := await asyncio.to_thread(look)) is not None and self.is_alive(workspace_id, mark):
            if asyncio.get_running_loop().time() > deadline:
                raise StorageUnavailable(f"The attempt {mark.applying} is at work in the workspace {workspace_id}.")
            await asyncio.sleep(LOOK_SECONDS)
