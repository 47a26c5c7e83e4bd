"""A worker's own directory."""

import asyncio
import shutil
from pathlib import Path

from adapters.instances import Instance, tokens


def test_what_a_dead_worker_held_is_found_once(tmp_path: Path) -> None:
    dead, after = Instance(tmp_path), Instance(tmp_path)
    dead.hold(b"token", 3)
    assert list(after.dead()) == []
    assert not after.alone()
    path = dead.path
    (path / "lock").rename(path / "lock.old")
    (path / "lock").touch()
    assert [tokens(found) for found in after.dead()] == [[(b"token", 3)]]
    assert list(after.dead()) == []
    assert after.alone()
    dead.close()
    after.close()


def test_a_worker_that_starts_just_now_is_not_taken_for_a_dead_one(tmp_path: Path) -> None:
    living = Instance(tmp_path)
    starting = tmp_path / "instances" / ".starting"
    (starting / "tokens").mkdir(parents=True)
    (starting / "lock").touch()
    assert list(living.dead()) == []
    assert starting.is_dir()
    living.close()


def test_a_token_that_cannot_be_written_stops_nobody(tmp_path: Path) -> None:
    instance = Instance(tmp_path)
    shutil.rmtree(instance.path)
    instance.hold(b"token", 1)
    instance.release(b"token")
    instance.close()


async def test_a_living_worker_says_so_until_it_is_told_to_stop(tmp_path: Path) -> None:
    instance, stop = Instance(tmp_path), asyncio.Event()
    living = asyncio.create_task(instance.live(stop))
    await asyncio.sleep(0.1)
    assert (instance.path / "alive").exists()
    assert not living.done()
    stop.set()
    await living
    instance.close()
