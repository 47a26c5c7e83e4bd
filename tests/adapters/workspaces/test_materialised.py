"""A host's workspaces as plain directories: what is in doubt is undone, whoever is killed and whenever."""

import asyncio
import json
import os
import re
import subprocess
import sys
from pathlib import Path

import pytest

from adapters.settings import load_settings
from adapters.workspaces import make_workspaces
from adapters.workspaces.layout import process_mark
from adapters.workspaces.materialised import ScanWorkspaces
from adapters.workspaces.overlay import OverlayWorkspaces
from adapters.workspaces.tree import remove_path
from domain.errors import Fenced, StorageUnavailable
from domain.sandbox import ReadOnlyMount, WritableMount
from tests.adapters.conformance.workspaces import FILES, WorkspacesConformance, cat, place
from tests.adapters.workspaces.world import World, new_world

MESS = """
rm -rf .git a b* d; mkdir d e; chmod 000 e; ln -s /etc/passwd b; mkfifo pipe; printf x > -rf
ln keep link; chmod 0444 keep; printf more >> ro/first; chmod 0700 ro; printf h > /home/agent/h; rm -rf /tmp/*
mv -T deep d/deep; chmod 000 /workspace; true
"""


class TestScanWorkspaces(WorkspacesConformance):
    kind = ScanWorkspaces


async def messed(world: World) -> list[bytes]:
    """A workspace in which an attempt was made and nobody says what became of it; the view from before."""
    world.write_checkout({**FILES, "keep": b"k", "ro/first": b"1", "deep/er/x": b"2", ".git/HEAD": b"ref"})
    await world.open()
    await world.step("printf 1 > b1; chmod 0555 ro; mkdir -p s/t; printf s > s/t/u; printf t > /tmp/t; rm a/x")
    before = await world.view()
    layers = await world.workspaces.begin(world.lease, "turn/9/call/0", 1)
    await world.shell(MESS, layers.mounts)
    return before


async def test_mounts_are_the_directories_themselves_and_reads_cannot_write_them() -> None:
    async with new_world(kind=ScanWorkspaces) as world:
        await world.open()
        layers = await world.workspaces.begin(world.lease, "c", 1)
        assert all(isinstance(mount, WritableMount) for mount in layers.mounts)
        await world.workspaces.discard("run/1", "c", 2)
        reading = await world.workspaces.read_mounts(world.lease)
        assert all(isinstance(mount, ReadOnlyMount) for mount in reading.mounts)
        sources = [mount.source for mount in (*layers.mounts, *reading.mounts) if not hasattr(mount, "sources")]
        assert sources[:3] == sources[3:]


async def test_an_attempt_in_doubt_is_undone_by_the_next_one_to_come() -> None:
    async with new_world(kind=ScanWorkspaces) as world:
        before = await messed(world)
        world.workspaces = world.host("host")
        assert await world.view() == before
        assert (await world.step("true")).changed == 0


async def test_a_discarded_attempt_is_undone_at_once() -> None:
    async with new_world(kind=ScanWorkspaces) as world:
        before = await messed(world)
        await world.workspaces.discard("run/1", "turn/9/call/0", 2)
        assert world.listing([*(await world.workspaces.read_mounts(world.lease)).mounts]) == before
        assert (place(world) / "tree/workspace/keep").stat().st_nlink == 1


async def test_undoing_leaves_alone_what_the_attempt_did() -> None:
    async with new_world(kind=ScanWorkspaces) as world:
        await messed(world)
        untouched = place(world) / "tree/workspace/s/t/u"
        (place(world) / "tree/workspace").chmod(0o755)
        inode = untouched.stat().st_ino
        await world.workspaces.discard("run/1", "turn/9/call/0", 2)
        assert untouched.stat().st_ino == inode


async def test_an_opening_leaves_a_tree_to_whoever_may_still_write_in_it() -> None:
    async with new_world(kind=ScanWorkspaces) as world:
        before = await messed(world)
        (place(world) / "tree/workspace").chmod(0o755)
        (place(world) / "tree/workspace/keep").chmod(0o644)
        held = os.open(place(world) / "tree/workspace/keep", os.O_WRONLY)
        assert not await world.open()
        os.write(held, b"late")
        os.close(held)
        assert await world.view() == before


async def test_a_sealed_attempt_that_lost_is_undone() -> None:
    async with new_world(kind=ScanWorkspaces) as world:
        world.write_checkout(FILES)
        await world.open()
        before = await world.view()
        layers, sealed = await world.attempt("printf new > a/x; rm b; mkdir a/n")
        with pytest.raises(Fenced):
            await world.workspaces.seal(world.lease, layers)
        await world.workspaces.discard("run/1", "turn/1/call/0", 2)
        assert await world.view() == before
        await world.workspaces.apply(world.lease, sealed)
        world.lease = world.lease_of(1, sealed.snapshot)
        assert await cat(world, "a/x") == b"new"


async def test_no_read_and_no_other_call_disturbs_an_attempt_that_is_being_made() -> None:
    async with new_world(kind=ScanWorkspaces) as world:
        world.write_checkout(FILES)
        await world.open()
        begun, go_on = asyncio.Event(), asyncio.Event()

        async def write() -> None:
            layers = await world.workspaces.begin(world.lease, "turn/1/call/0", 1)
            begun.set()
            await world.shell("printf new > b", layers.mounts)
            await go_on.wait()
            sealed = await world.workspaces.seal(world.lease, layers)
            await world.workspaces.apply(world.lease, sealed)
            world.lease = world.lease_of(1, sealed.snapshot)

        writing = asyncio.create_task(write())
        await begun.wait()
        before = world.lease
        reading = asyncio.create_task(cat(world, "b"))
        beginning = asyncio.create_task(world.workspaces.begin(before, "turn/1/call/1", 1))
        await asyncio.sleep(0.3)
        assert not reading.done()
        assert not beginning.done()
        beginning.cancel()
        await world.workspaces.discard("run/1", "turn/1/call/0", 1)
        go_on.set()
        await writing
        # It asked for what was committed before, and that is what it is shown.
        assert await reading == b"3"
        assert await cat(world, "b") == b"new"


async def test_an_attempt_whose_call_was_cancelled_keeps_nobody_waiting() -> None:
    async with new_world(kind=ScanWorkspaces) as world:
        world.write_checkout(FILES)
        await world.open()

        async def write() -> None:
            layers = await world.workspaces.begin(world.lease, "turn/1/call/0", 1)
            await world.shell("printf half > b", layers.mounts)
            await asyncio.sleep(60)

        writing = asyncio.create_task(write())
        await asyncio.sleep(0.5)
        writing.cancel()
        await asyncio.wait([writing])
        assert await cat(world, "b") == b"3"


async def test_another_workers_attempt_is_waited_for_while_that_lives() -> None:
    async with new_world(kind=ScanWorkspaces) as world:
        world.write_checkout(FILES)
        await world.open()
        program = "import time; print(flush=True); time.sleep(60)"
        other = await asyncio.create_subprocess_exec(sys.executable, "-c", program, stdout=subprocess.PIPE)
        await world.workspaces.begin(world.lease, "c", 1)
        ledger = place(world) / "ledger"
        lines = ledger.read_text().splitlines()
        entry = json.loads(lines[-1])
        entry["mark"]["worker"] = process_mark(other.pid)
        ledger.write_text("\n".join([*lines[:-1], json.dumps(entry), ""]))
        world.workspaces = world.host("host")
        reading = asyncio.create_task(cat(world, "b"))
        await asyncio.sleep(0.3)
        assert not reading.done()
        other.kill()
        await other.wait()
        assert await reading == b"3"


async def test_a_torn_ledger_is_read_up_to_where_it_is_whole() -> None:
    async with new_world(kind=ScanWorkspaces) as world:
        world.write_checkout(FILES)
        await world.open()
        await world.step("printf new > b")
        ledger = place(world) / "ledger"
        with ledger.open("a") as file:
            file.write('\n{"mark":{"base":{"repos')
        await world.step("printf newer > b")
        world.workspaces = world.host("host")
        assert await cat(world, "b") == b"newer"
        assert (await world.step("true")).changed == 0


async def test_a_tree_that_was_lost_is_made_again() -> None:
    async with new_world(kind=ScanWorkspaces) as world:
        world.write_checkout(FILES)
        await world.open()
        await world.step("printf new > b")
        before = await world.view()
        await world.workspaces.begin(world.lease, "c", 1)
        await asyncio.to_thread(remove_path, place(world) / "tree")
        assert await world.view() == before


async def test_a_lost_checkout_is_the_worlds_failure() -> None:
    async with new_world(kind=ScanWorkspaces) as world:
        world.write_checkout(FILES)
        await world.open()
        layers = await world.workspaces.begin(world.lease, "c", 1)
        await world.shell("rm b", layers.mounts)
        await asyncio.to_thread(remove_path, world.checkout)
        with pytest.raises(StorageUnavailable):
            await world.workspaces.discard("run/1", "c", 2)


async def test_only_what_changed_is_read_again() -> None:
    async with new_world(kind=ScanWorkspaces) as world:
        world.write_checkout({f"d{i}/f{j}": b"x" * 200_000 for i in range(10) for j in range(10)})
        await world.open()
        before = bytes_read()
        sealed = await world.step("printf x > d3/f4; printf y > new")
        assert sealed.changed == 2
        assert bytes_read() - before < 5_000_000


def bytes_read() -> int:
    return int(Path("/proc/self/io").read_text().split()[1])


def test_the_sandbox_decides_the_kind(tmp_path: Path) -> None:
    home = {"PERDURE_HOME": str(tmp_path)}
    blobs = World(tmp_path).blobs
    assert isinstance(make_workspaces(load_settings(home), blobs), OverlayWorkspaces)
    assert isinstance(make_workspaces(load_settings({**home, "PERDURE_SANDBOX": "docker"}), blobs), ScanWorkspaces)


def test_a_worker_killed_anywhere_leaves_a_tree_that_is_brought_to_the_committed_snapshot() -> None:
    async def trial() -> bytes:
        async with new_world(kind=ScanWorkspaces) as world:
            program = [sys.executable, "-m", "tests.adapters.workspaces.crash", str(world.root), "--scan"]
            ended = await asyncio.create_subprocess_exec(*program, stdout=subprocess.PIPE, stderr=subprocess.STDOUT)
            said, _ = await asyncio.wait_for(ended.communicate(), 120)
            assert ended.returncode == 0, said.decode()
            return said

    steps, kills = (int(number) for number in re.findall(rb"\d+", asyncio.run(trial())))
    assert kills == 30
    assert steps > 5
