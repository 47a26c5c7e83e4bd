"""The processes of one sandboxed command, and their control group."""

import asyncio
import contextlib
import os
import signal
import time

from adapters.sandboxes.cgroups import Cgroup
from adapters.sandboxes.child import Child
from adapters.sandboxes.deadlines import Deadline
from adapters.sandboxes.names import Running, stop_marked
from adapters.sandboxes.pipes import until_dead
from adapters.sandboxes.proc import children_of, family_of, filters_of
from domain.errors import SandboxUnavailable

TIED_SECONDS = 10.0
LOOK_SECONDS = 0.0005


async def tied(init: int, within_seconds: float = TIED_SECONDS) -> None:
    """Until bwrap's end is the end of `init`. What it has started may be ready before, and would outlive us all.

    bwrap takes on its filter of system calls right after it has asked the kernel for that."""
    ours = filters_of(os.getpid())
    end = time.monotonic() + within_seconds
    while filters_of(init) <= ours:
        if time.monotonic() > end:
            raise SandboxUnavailable("The sandbox's first process could not be tied to the worker's life.")
        await asyncio.sleep(LOOK_SECONDS)


class Namespaces:
    """bwrap outside, the first process of the namespace, and what that runs."""

    def __init__(
        self,
        child: Child,
        running: Running,
        cgroup: Cgroup | None,
        awake: asyncio.Future[None] | None,
        deadline: Deadline,
    ) -> None:
        self.out_of_memory = False
        self._child = child
        self._running = running
        self._cgroup = cgroup
        self._awake = awake
        self._deadline = deadline
        self._init: int | None = None
        self._pid: int | None = None

    async def close_in(self) -> None:
        self._deadline.set()
        try:
            init = self._first_process()
            self._init = os.pidfd_open(init)
            self._pid = init
            await tied(init)
            if self._cgroup is not None and self._awake is not None:
                (inner,) = children_of(init)
                await self._awake
                self._cgroup.join(inner)
        except (OSError, ValueError) as error:
            raise SandboxUnavailable(f"The sandbox could not be closed in: {error}") from error

    def pids(self) -> list[int]:
        """All of the command's processes."""
        return family_of(self._pid) if self._pid is not None else []

    def _first_process(self) -> int:
        """Not by --info-fd: bwrap dies of writing to a pipe that a dead worker left, and its child waits for ever."""
        (init,) = children_of(self._child.pid)
        return init

    async def destroy(self) -> None:
        """The end of a namespace's first process is the end of all in it."""
        self._deadline.lift()
        if self._init is None:
            with contextlib.suppress(OSError, ValueError):
                self._init = os.pidfd_open(self._first_process())
        if self._init is not None:
            with contextlib.suppress(ProcessLookupError):
                signal.pidfd_send_signal(self._init, signal.SIGKILL)
            await until_dead(self._init)
            os.close(self._init)
        else:
            self._child.kill()
            await self._child.ended()
            # What bwrap started in its last moment waits for it for ever.
            await stop_marked(self._running.marker)
        if self._awake is not None:
            await self._awake
        if self._cgroup is not None:
            self.out_of_memory = self._cgroup.out_of_memory()
            await self._cgroup.remove()
