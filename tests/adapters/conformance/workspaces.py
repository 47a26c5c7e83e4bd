"""What every kind of workspaces promises to calls and their attempts. A test file subclasses this and gives `kind`."""

import asyncio
from pathlib import Path

import pytest

from adapters.workspaces.layout import boot_id
from adapters.workspaces.materialised import ScanWorkspaces
from adapters.workspaces.overlay import OverlayWorkspaces
from domain.errors import Fenced
from domain.workspace import AttemptLayers, BaseSpec
from tests.adapters.workspaces.world import AnyWorkspaces, Kind, World, new_world

FILES = {"a/x": b"1", "a/y": b"2", "b": b"3"}


def place(world: World, host: str = "host", generation: int | None = None) -> Path:
    return world.root / host / "w-run%2F1" / str(generation or world.lease.generation)


async def cat(world: World, *names: str, host: AnyWorkspaces | None = None) -> bytes:
    async with (host or world.workspaces).reading(world.lease) as layers:
        return await world.shell("cat " + " ".join(names), layers.mounts)


class WorkspacesConformance:
    kind: Kind

    async def test_an_attempt_is_seen_by_nobody_until_it_is_applied(self) -> None:
        async with new_world(kind=self.kind) as world:
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
            assert await cat(world, "a/x", "/tmp/t") == b"newt"
            assert [mount.target for mount in layers.mounts] == ["/workspace", "/home/agent", "/tmp"]

    async def test_discarded_attempts_leave_nothing(self) -> None:
        async with new_world(kind=self.kind) as world:
            world.write_checkout(FILES)
            await world.open()
            before = await world.view()
            for attempt in (1, 2, 3):
                layers = await world.workspaces.begin(world.lease, "turn/1/call/0", attempt)
                await world.shell("printf half >> b; rm -r a; mkdir -p n/m a; chmod 000 . n", layers.mounts)
                await world.workspaces.discard("run/1", "turn/1/call/0", attempt + 1)
                assert await world.view() == before
            await world.workspaces.discard("run/unknown", "turn/1/call/0", 3)

    async def test_an_attempt_of_another_call_is_not_discarded(self) -> None:
        async with new_world(kind=self.kind) as world:
            world.write_checkout(FILES)
            await world.open()
            layers = await world.workspaces.begin(world.lease, "turn/1/call/1", 2)
            await world.shell("printf new > b", layers.mounts)
            await world.workspaces.discard("run/1", "turn/1/call/0", 9)
            await world.workspaces.discard("run/1", "turn/1/call/1", 2)
            assert (await world.workspaces.seal(world.lease, layers)).changed == 1

    async def test_the_same_attempt_begun_again_is_fresh(self) -> None:
        async with new_world(kind=self.kind) as world:
            world.write_checkout(FILES)
            await world.open()
            first = await world.workspaces.begin(world.lease, "c", 1)
            await world.shell("printf half > b", first.mounts)
            again = await world.workspaces.begin(world.lease, "c", 1)
            assert (await world.workspaces.seal(world.lease, again)).changed == 0

    async def test_a_committed_attempt_that_was_not_applied_is_applied_by_the_next_call(self) -> None:
        async with new_world(kind=self.kind) as world:
            world.write_checkout(FILES)
            await world.open()
            _, sealed = await world.attempt("printf new > a/x")
            world.lease = world.lease_of(1, sealed.snapshot)
            world.workspaces = world.host("host")
            assert await cat(world, "a/x") == b"new"
            world.workspaces = world.host("host")
            await world.step("printf newer > a/x")
            assert await cat(world, "a/x") == b"newer"

    async def test_the_host_that_has_the_snapshot_adopts_it(self) -> None:
        async with new_world(kind=self.kind) as world:
            world.write_checkout(FILES)
            assert not await world.open()
            await world.step("printf new > b")
            inodes = [path.stat().st_ino for path in place(world).glob("*/workspace/b")]
            assert await world.open()
            assert [path.stat().st_ino for path in place(world).glob("*/workspace/b")] == inodes
            assert not place(world, generation=1).exists()
            await world.step("printf newer > b")
            assert await cat(world, "b") == b"newer"

    async def test_opening_again_after_a_commit_that_was_not_applied_stands_at_it(self) -> None:
        async with new_world(kind=self.kind) as world:
            world.write_checkout(FILES)
            await world.open()
            _, sealed = await world.attempt("printf newer > b")
            world.lease = world.lease_of(1, sealed.snapshot)
            await world.open()
            assert await cat(world, "b") == b"newer"
            assert not place(world, generation=1).exists()

    async def test_a_host_that_fell_behind_starts_from_the_committed_snapshot(self) -> None:
        async with new_world(kind=self.kind) as world:
            world.write_checkout(FILES)
            await world.open()
            await world.step("printf one > b")
            stale = world.workspaces
            world.workspaces = world.host("other")
            assert not await world.open()
            await world.step("printf two > b")
            await world.step("printf c > c")
            world.workspaces = stale
            assert not await world.open()
            assert await cat(world, "b", "c") == b"twoc"
            assert not place(world, generation=1).exists()

    async def test_older_generations_are_fenced(self) -> None:
        async with new_world(kind=self.kind) as world:
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

    async def test_an_attempt_from_another_snapshot_is_not_sealed(self) -> None:
        async with new_world(kind=self.kind) as world:
            world.write_checkout(FILES)
            await world.open()
            old = await world.workspaces.begin(world.lease, "old", 1)
            before = world.lease
            await world.step("printf new > b")
            with pytest.raises(Fenced):
                await world.workspaces.seal(before, old)
            with pytest.raises(Fenced):
                await world.workspaces.seal(world.lease, AttemptLayers(attempt_id="none.1", mounts=()))

    async def test_files_from_before_a_reboot_are_not_trusted(self) -> None:
        async with new_world(kind=self.kind) as world:
            world.write_checkout(FILES)
            await world.open()
            await world.step("printf new > b")
            for marks in (place(world) / "marks", place(world) / "ledger"):
                if marks.exists():
                    marks.write_text(marks.read_text().replace(boot_id(), "an-earlier-boot"))
            for path in place(world).glob("*/workspace/b"):
                path.write_bytes(b"\0\0\0")
            assert await cat(world, "b") == b"new"

    async def test_an_empty_workspace_needs_no_repository(self) -> None:
        async with new_world(kind=self.kind) as world:
            world.base = BaseSpec(repository="", commit="")
            await world.open()
            assert world.snapshot.base == "empty"
            await world.step("printf 1 > first")
            assert await world.view_restored("elsewhere") == await world.view()

    async def test_a_removed_workspace_can_be_opened_again(self) -> None:
        async with new_world(kind=self.kind) as world:
            world.write_checkout(FILES)
            await world.open()
            await world.step("printf new > b")
            await world.workspaces.close("run/1")
            await world.workspaces.settle()
            assert {path.name for path in (world.root / "host").iterdir()} == {"empty", "gone"}
            assert not await world.open()
            assert await cat(world, "b") == b"new"

    async def test_giving_a_generation_back_spares_the_one_that_came_after_it(self) -> None:
        async with new_world(kind=self.kind) as world:
            world.write_checkout(FILES)
            await world.open()
            await world.step("printf new > b")
            given_back = world.lease.generation
            await world.open()
            await world.workspaces.close("run/1", given_back)
            assert await cat(world, "b") == b"new"
            await world.workspaces.close("run/1", world.lease.generation)
            await world.workspaces.settle()
            assert {path.name for path in (world.root / "host").iterdir()} == {"empty", "gone"}

    async def test_reads_go_side_by_side_and_no_call_is_applied_beside_them(self) -> None:
        async with new_world(kind=self.kind) as world:
            world.write_checkout(FILES)
            await world.open()
            await world.step("printf new > b")
            seen = await asyncio.gather(*(cat(world, "b", "a/x") for _ in range(6)))
            assert set(seen) == {b"new1"}
            async with world.workspaces.reading(world.lease) as layers:
                stepping = asyncio.create_task(world.step("printf newer > b"))
                await asyncio.sleep(0.3)
                assert not stepping.done()
                assert await world.shell("cat b", layers.mounts) == b"new"
            await stepping
            assert await cat(world, "b") == b"newer"

    async def test_a_run_goes_on_in_the_other_kind_with_the_same_snapshots(self) -> None:
        scripts = (
            "printf one > b; rm a/y; mkdir -p n/m; printf x > n/m/f; ln -s n l; chmod 4755 a/x",
            "rm -r a; mkdir a; printf z > a/z; mv n o; printf t > /tmp/t; ln b hard; printf h > /home/agent/h",
            "rm l; printf l > l; touch c; chmod 0555 o; rm hard; mkdir b2; printf more >> a/z; rm -r /tmp/t",
            "chmod 755 o; rm -r o; printf o > o; rm l; mkdir l; printf y > a/y; printf x > a/x",
        )
        both = (OverlayWorkspaces, ScanWorkspaces)
        chains: list[list[str]] = []
        for turns in ((both[0],) * 4, (both[1],) * 4, both * 2, (both[1], both[0]) * 2):
            async with new_world() as world:
                world.write_checkout({**FILES, "c": b"", "o/p": b"hidden"})
                ids: list[str] = []
                for number, (kind, script) in enumerate(zip(turns, scripts, strict=True)):
                    world.workspaces = world.host(f"host-{number}", kind)
                    assert not await world.open()
                    ids.append((await world.step(script)).snapshot.id)
                assert await world.view() == await world.view_restored("elsewhere", turns[0])
                chains.append(ids)
        assert chains[1:] == chains[:1] * 3
