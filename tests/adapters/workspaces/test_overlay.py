"""A host's workspaces: attempts leave no trace until they are committed, and then exactly one."""

import asyncio
import os
import re
import subprocess
import sys
from pathlib import Path

import pytest

from adapters.workspaces.bases import disk
from adapters.workspaces.overlay import OverlayWorkspaces
from adapters.workspaces.tree import remove_path
from domain.errors import OutOfSpace, StorageUnavailable
from domain.sandbox import OverlayMount
from tests.adapters.conformance.workspaces import FILES, WorkspacesConformance, cat, place
from tests.adapters.workspaces.world import World, new_world


class TestOverlayWorkspaces(WorkspacesConformance):
    kind = OverlayWorkspaces


def attempts(world: World) -> set[str]:
    return {path.name for path in (place(world) / "try").iterdir()}


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
