"""Who may be in a workspace at the same time."""

import asyncio
import threading
from pathlib import Path

import pytest

from adapters.workspaces.locks import SharedLock, held, in_thread, open_lock
from domain.errors import StorageUnavailable


async def test_readers_share_and_a_writer_is_alone() -> None:
    lock, inside, most = SharedLock(), {"shared": 0, "alone": 0}, {"shared": 0, "alone": 0}

    async def visit(kind: str) -> None:
        async with lock.alone() if kind == "alone" else lock.shared():
            inside[kind] += 1
            most[kind] = max(most[kind], inside[kind])
            assert not (inside["alone"] and inside["shared"])
            await asyncio.sleep(0.001)
            inside[kind] -= 1

    await asyncio.wait_for(asyncio.gather(*(visit(kind) for kind in ["shared", "shared", "alone"] * 20)), 10)
    assert most == {"shared": 2, "alone": 1}


async def test_one_who_gives_up_waiting_keeps_nobody_out() -> None:
    lock = SharedLock()

    async def visit(*, alone: bool) -> None:
        async with lock.alone() if alone else lock.shared():
            pass

    async with lock.shared():
        writer = asyncio.create_task(visit(alone=True))
        reader = asyncio.create_task(visit(alone=False))
        await asyncio.sleep(0)
        assert not reader.done()
        writer.cancel()
        await asyncio.wait_for(reader, 1)
    granted = asyncio.create_task(visit(alone=True))
    async with lock.shared():
        await asyncio.sleep(0)
        assert not granted.done()
    granted.cancel()
    with pytest.raises(asyncio.CancelledError):
        await granted
    await asyncio.wait_for(visit(alone=True), 1)


async def test_another_holder_on_this_host_is_waited_for_but_not_for_ever(tmp_path: Path) -> None:
    async with held(open_lock(tmp_path / "lock")):
        with pytest.raises(StorageUnavailable, match="Another process"):
            async with held(open_lock(tmp_path / "lock"), 0.1):
                pass
    async with held(open_lock(tmp_path / "lock"), 0.1):
        pass


async def test_a_cancelled_caller_waits_for_its_thread() -> None:
    started, may_end, ended = threading.Event(), threading.Event(), threading.Event()

    def work() -> None:
        started.set()
        may_end.wait(10)
        ended.set()

    task = asyncio.create_task(in_thread(work))
    await asyncio.to_thread(started.wait)
    task.cancel()
    await asyncio.sleep(0.02)
    assert not task.done()
    task.cancel()
    may_end.set()
    with pytest.raises(asyncio.CancelledError):
        await task
    assert ended.is_set()


async def test_what_a_thread_raises_is_raised() -> None:
    with pytest.raises(ValueError, match="invalid literal"):
        await in_thread(int, "x")
