import asyncio
import sys
from pathlib import Path

from adapters.repositories.lock import locked

HOLD = (
    "import fcntl, sys; file = open(sys.argv[1]); fcntl.flock(file, fcntl.LOCK_EX); print('held', flush=True); input()"
)


async def test_one_at_a_time_in_one_process(tmp_path: Path) -> None:
    inside: list[int] = []
    most = 0

    async def enter(number: int) -> None:
        nonlocal most
        async with locked(tmp_path / "lock"):
            inside.append(number)
            most = max(most, len(inside))
            await asyncio.sleep(0.01)
            inside.remove(number)

    await asyncio.gather(*(enter(number) for number in range(5)))
    assert most == 1


async def test_another_process_is_waited_for_and_its_death_is_enough(tmp_path: Path) -> None:
    path = tmp_path / "lock"
    path.touch()
    pipe = asyncio.subprocess.PIPE
    other = await asyncio.create_subprocess_exec(sys.executable, "-c", HOLD, path, stdin=pipe, stdout=pipe)
    assert other.stdout is not None
    await other.stdout.readline()
    entered = asyncio.Event()

    async def enter() -> None:
        async with locked(path):
            entered.set()

    waiting = asyncio.create_task(enter())
    await asyncio.sleep(0.2)
    assert not entered.is_set()
    other.kill()
    await asyncio.wait_for(waiting, 5)
    await other.communicate()


async def test_waiting_can_be_cancelled(tmp_path: Path) -> None:
    async def enter() -> None:
        async with locked(tmp_path / "lock"):
            raise AssertionError("the lock is held")

    async with locked(tmp_path / "lock"):
        waiting = asyncio.create_task(enter())
        await asyncio.sleep(0.1)
        waiting.cancel()
        (ended,) = await asyncio.gather(waiting, return_exceptions=True)
    assert isinstance(ended, asyncio.CancelledError)
