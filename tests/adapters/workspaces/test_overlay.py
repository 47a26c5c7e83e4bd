"""A host's workspaces: attempts leave no trace until they are committed, and then exactly one."""

import asyncio
import os
import re
import subprocess
import sys
from pathlib import Path

import pytest

from adapters.workspaces.bases import disk
from adapters.workspaces.layout import BOOT, boot_id
from adapters.workspaces.overlay import OverlayWorkspaces
from adapters.workspaces.tree import remove_path
from domain.errors import Fenced, OutOfSpace, StorageUnavailable
from domain.sandbox import OverlayMount
from domain.workspace import AttemptLayers, BaseSpec
from tests.adapters.workspaces.world import World, new_world

FILES = {"a/x": b"1", "a/y": b"2", "b": b"3"}


def place(world: World, host: str = "host", generation: int | None = None) -> Path:
    return world.root / host / "w-run%2F1" / str(generation or world.lease.generation)


def attempts(world: World) -> set[str]:
    return {path.name for path in (place(world) / "try").iterdir()}


async def cat(world: World, *names: str, host: OverlayWorkspaces | None = None) -> bytes:
    layers = await (host or world.workspaces).read_mounts(world.lease)
    return await world.shell("cat " + " ".join(names), layers.mounts)


async def test_an_attempt_is_seen_by_nobody_until_it_is_applied() -> None:
    async with new_world() as world:
        world.write_checkout(FILES)
        await world.open()
        layers, sealed = await world.attempt("printf new > a/x; rm b; printf t > /tmp/t")
        assert sealed.changed == 3
        assert await cat(world, "a/x", "b") == b"13"
        await world.workspaces.apply(world.lease, sealed)
        world.lease = world.lease_of(1, sealed.snapshot)
        assert await cat(world, "a/x", "/tmp/t") == b"newt"
        assert (world.checkout / "b").read_bytes() == b"3"
        await world.workspaces.apply(world.lease, sealed)
        assert attempts(world) == set()
        targets = [mount.target for mount in layers.mounts]
        assert targets == ["/workspace", "/home/agent", "/tmp"]


async def test_discarded_attempts_leave_nothing() -> None:
    async with new_world() as world:
        world.write_checkout(FILES)
        await world.open()
        for attempt in (1, 2, 3):
            layers = await world.workspaces.begin(world.lease, "turn/1/call/0", attempt)
            await world.shell("printf half >> b; chmod 000 .", layers.mounts)
        await world.workspaces.begin(world.lease, "turn/1/call/1", 1)
        await world.workspaces.discard("run/1", "turn/1/call/0", 3)
        assert attempts(world) == {"turn%2F1%2Fcall%2F0.3", "turn%2F1%2Fcall%2F1.1"}
        assert await cat(world, "b") == b"3"
        await world.workspaces.discard("run/unknown", "turn/1/call/0", 3)


async def test_the_same_attempt_begun_again_is_fresh() -> None:
    async with new_world() as world:
        world.write_checkout(FILES)
        await world.open()
        first = await world.workspaces.begin(world.lease, "c", 1)
        await world.shell("printf half > b", first.mounts)
        again = await world.workspaces.begin(world.lease, "c", 1)
        assert (await world.workspaces.seal(world.lease, again)).changed == 0


async def test_a_committed_attempt_that_was_not_applied_is_applied_by_the_next_call() -> None:
    async with new_world() as world:
        world.write_checkout(FILES)
        await world.open()
        _, sealed = await world.attempt("printf new > a/x")
        world.lease = world.lease_of(1, sealed.snapshot)
        world.workspaces = world.host("host")
        assert await cat(world, "a/x") == b"new"
        assert attempts(world) == set()
        world.workspaces = world.host("host")
        await world.step("printf newer > a/x")
        assert await cat(world, "a/x") == b"newer"


async def test_a_base_whose_attempt_was_lost_is_made_from_packs() -> None:
    async with new_world() as world:
        world.write_checkout(FILES)
        await world.open()
        await world.step("printf 0 > zero")
        _, sealed = await world.attempt("printf new > a/x; rm b")
        await asyncio.to_thread(remove_path, place(world) / "try")
        (place(world) / "try").mkdir()
        world.lease = world.lease_of(1, sealed.snapshot)
        assert await cat(world, "a/x", "zero") == b"new0"
        assert b"f 644 workspace/b -> " not in await world.view()


async def test_content_that_an_upper_lost_comes_from_the_pack() -> None:
    async with new_world() as world:
        world.write_checkout(FILES)
        await world.open()
        layers, sealed = await world.attempt("printf new > a/x; mkdir -p n/m; printf 5 > n/m/f; ln -s x n/l; rm a/y")
        mount = layers.mounts[0]
        assert isinstance(mount, OverlayMount)
        assert mount.upper is not None
        await asyncio.to_thread(remove_path, Path(mount.upper) / "n")
        await asyncio.to_thread(remove_path, Path(mount.upper) / "a")
        await world.workspaces.apply(world.lease, sealed)
        world.lease = world.lease_of(1, sealed.snapshot)
        assert await cat(world, "a/x", "n/m/f") == b"new5"
        assert await world.view() == await world.view_restored("elsewhere")


async def test_the_host_that_has_the_snapshot_adopts_it() -> None:
    async with new_world() as world:
        world.write_checkout(FILES)
        assert not await world.open()
        await world.step("printf new > b")
        inode = (place(world) / "base/workspace/b").stat().st_ino
        assert await world.open()
        assert (place(world) / "base/workspace/b").stat().st_ino == inode
        assert not place(world, generation=1).exists()
        _, sealed = await world.attempt("printf newer > b")
        world.lease = world.lease_of(world.lease.generation, sealed.snapshot)
        assert await world.open()
        assert await cat(world, "b") == b"newer"


async def test_a_host_that_fell_behind_starts_from_the_committed_snapshot() -> None:
    async with new_world() as world:
        world.write_checkout(FILES)
        await world.open()
        await world.step("printf one > b")
        stale = world.workspaces
        world.workspaces = world.host("other")
        assert not await world.open()
        await world.step("printf two > b; printf c > c")
        world.workspaces = stale
        assert not await world.open()
        assert await cat(world, "b", "c") == b"twoc"
        assert not place(world, generation=1).exists()


async def test_older_generations_are_fenced() -> None:
    async with new_world() as world:
        world.write_checkout(FILES)
        await world.open()
        layers, sealed = await world.attempt("printf zombie > b")
        zombie = world.lease
        await world.open()
        for late in (
            world.workspaces.seal(zombie, layers),
            world.workspaces.apply(zombie, sealed),
            world.workspaces.begin(zombie, "late", 1),
            world.workspaces.read_mounts(zombie),
            world.workspaces.open(zombie, world.base, world.checkout),
        ):
            with pytest.raises(Fenced):
                await late
        assert await cat(world, "b") == b"3"


async def test_an_attempt_from_another_snapshot_is_not_sealed() -> None:
    async with new_world() as world:
        world.write_checkout(FILES)
        await world.open()
        old = await world.workspaces.begin(world.lease, "old", 1)
        before = world.lease
        await world.step("printf new > b")
        with pytest.raises(Fenced):
            await world.workspaces.seal(before, old)
        with pytest.raises(Fenced):
            await world.workspaces.seal(world.lease, AttemptLayers(attempt_id="none.1", mounts=()))


async def test_a_base_from_before_a_reboot_is_not_trusted() -> None:
    async with new_world() as world:
        world.write_checkout(FILES)
        await world.open()
        await world.step("printf new > b")
        marks = place(world) / "marks"
        marks.write_text(marks.read_text().replace(boot_id(), "an-earlier-boot"))
        (place(world) / "base/workspace/b").write_bytes(b"\0\0\0")
        assert await cat(world, "b") == b"new"
        assert boot_id() == (BOOT.read_text().strip() if BOOT.exists() else "unknown")


async def test_a_torn_mark_is_passed_over_and_many_marks_are_cut() -> None:
    async with new_world() as world:
        world.write_checkout(FILES)
        await world.open()
        await world.step("printf new > b")
        marks = place(world) / "marks"
        with marks.open("a") as file:
            file.write('{"base":{"repos')
        assert await cat(world, "b") == b"new"
        marks.write_bytes(b"x" * 70_000 + b"\n" + marks.read_bytes().splitlines()[-2] + b"\n")
        await world.step("printf newer > b")
        assert marks.stat().st_size < 5_000
        assert await cat(world, "b") == b"newer"


async def test_sweep_spares_the_living_and_the_sealed() -> None:
    async with new_world() as world:
        world.write_checkout(FILES)
        await world.open()
        _, sealed = await world.attempt("printf new > b")
        for call in ("mine", "dead"):
            await world.workspaces.begin(world.lease, call, 1)
        (place(world) / "try/dead.1/owner").write_text(f"{os.getpid()} 1")
        await world.host("host").sweep()
        assert attempts(world) == {"mine.1", "turn%2F1%2Fcall%2F0.1"}
        await world.workspaces.apply(world.lease, sealed)


async def test_an_empty_workspace_needs_no_repository() -> None:
    async with new_world() as world:
        world.base = BaseSpec(repository="", commit="")
        await world.open()
        assert world.snapshot.base == "empty"
        await world.step("printf 1 > first")
        assert await world.view_restored("elsewhere") == await world.view()


async def test_a_removed_workspace_can_be_opened_again() -> None:
    async with new_world() as world:
        world.write_checkout(FILES)
        await world.open()
        await world.step("printf new > b")
        await world.workspaces.close("run/1")
        await world.workspaces.settle()
        assert {path.name for path in (world.root / "host").iterdir()} == {"empty", "gone"}
        assert not await world.open()
        assert await cat(world, "b") == b"new"


async def test_workspaces_work_side_by_side_and_reads_with_them() -> None:
    async with new_world() as world:
        world.write_checkout(FILES)
        await world.open()
        await world.step("printf new > b")
        seen = await asyncio.gather(*(cat(world, "b", "a/x") for _ in range(6)))
        assert set(seen) == {b"new1"}
        async with world.workspaces.reading(world.lease) as layers:
            _, sealed = await world.attempt("printf newer > b")
            applying = asyncio.create_task(world.workspaces.apply(world.lease, sealed))
            await asyncio.sleep(0.05)
            assert not applying.done()
            assert await world.shell("cat b", layers.mounts) == b"new"
        await applying


async def test_a_lost_checkout_is_the_worlds_failure_and_a_full_disk_stops_the_run() -> None:
    async with new_world() as world:
        world.write_checkout(FILES)
        await world.open()
        layers = await world.workspaces.begin(world.lease, "c", 1)
        await asyncio.to_thread(remove_path, world.checkout)
        with pytest.raises(StorageUnavailable):
            await world.workspaces.seal(world.lease, layers)
    with pytest.raises(OutOfSpace, match="disk is full"):
        async with disk():
            raise OSError(28, "No space left on device")


def test_a_worker_killed_anywhere_leaves_a_base_that_leads_to_the_committed_snapshot() -> None:
    async def trial() -> bytes:
        async with new_world() as world:
            program = [sys.executable, "-m", "tests.adapters.workspaces.crash", str(world.root)]
            ended = await asyncio.create_subprocess_exec(*program, stdout=subprocess.PIPE, stderr=subprocess.STDOUT)
            said, _ = await asyncio.wait_for(ended.communicate(), 120)
            assert ended.returncode == 0, said.decode()
            return said

    steps, kills = (int(number) for number in re.findall(rb"\d+", asyncio.run(trial())))
    assert kills == 30
    assert steps > 5
