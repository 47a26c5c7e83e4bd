"""A worker that the kernel kills because the memory it may have is used up."""

import asyncio
import contextlib
import signal
import sys
from asyncio.subprocess import Process
from collections.abc import AsyncGenerator, AsyncIterator, Awaitable, Callable
from dataclasses import dataclass
from pathlib import Path

import pytest
import pytest_asyncio

from adapters.sandboxes.cgroups import Cgroup
from adapters.sandboxes.delegation import find_cgroups
from domain.sandbox import SandboxLimits
from tests.fixtures.stack import Stack
from tests.workflows.fates import LONG, LONG_CALL, finished, no_process_is_left, submit
from tests.workflows.test_durability import redone

AMPLE = SandboxLimits(memory_bytes=8 << 30, processes=4096)
SQUEEZE_SECONDS = 10.0
SPARE_BYTES = 32 << 20
HUNGRY = "import time; eaten = []\nwhile True: eaten.append(b'x' * (1 << 20)); time.sleep(0.01)"
FILES = {False: ("memory.usage_in_bytes", "memory.limit_in_bytes"), True: ("memory.current", "memory.max")}


@dataclass
class Room:
    """A control group with a worker in it."""

    group: Cgroup
    used: Path
    limit: Path

    def shrink(self, chosen: int) -> None:
        """To little more than what is used just now: for who asks for more, the process `chosen` is killed."""
        Path(f"/proc/{chosen}/oom_score_adj").write_text("1000")
        self.limit.write_text(str(int(self.used.read_text()) + SPARE_BYTES))

    @contextlib.asynccontextmanager
    async def enter(self, start: Callable[[], Awaitable[Process]]) -> AsyncGenerator[Process]:
        with self.group.entered():
            process = await start()
        if self.group.joins:
            self.group.join(process.pid)
        try:
            yield process
        finally:
            with contextlib.suppress(ProcessLookupError):
                process.kill()
            await process.wait()


@pytest_asyncio.fixture(loop_scope="session")
async def room(open_directory: Path) -> AsyncIterator[Room]:
    cgroups = find_cgroups(open_directory, ("memory",))
    if cgroups is None:
        pytest.skip("this user may make no control group for memory")
    (controller,) = cgroups.controllers
    group = cgroups.make("worker", AMPLE)
    (directory,) = group.directories
    yield Room(group, *(directory / name for name in FILES[controller.unified]))
    # The worker made its own groups in there.
    for inner in sorted(directory.rglob("*/"), key=lambda path: len(path.parts), reverse=True):
        inner.rmdir()
    await group.remove()


async def test_a_run_outlives_a_worker_that_is_out_of_memory(stack: Stack, room: Room) -> None:
    await stack.worker.end()
    async with room.enter(lambda: started(stack)) as worker:
        run_id = await submit(stack, LONG)
        await stack.until_event(run_id, f"{LONG_CALL}/started/1", seconds=120)
        # A worker that waits for its command asks for next to nothing: another takes what is left.
        room.shrink(chosen=worker.pid)
        async with room.enter(hungry), asyncio.timeout(SQUEEZE_SECONDS):
            assert await worker.wait() == -signal.SIGKILL
        assert room.group.out_of_memory()
        await stack.worker.start()
        await finished(stack, run_id)
    assert await redone(stack, run_id) == [f"{LONG_CALL}/redone/1"]
    await no_process_is_left(run_id)


async def started(stack: Stack) -> Process:
    await stack.worker.start()
    assert stack.worker.running is not None
    return stack.worker.running


async def hungry() -> Process:
    return await asyncio.create_subprocess_exec(sys.executable, "-c", HUNGRY)
