"""Snapshots are read from the blob store alone, by anybody, at any time."""

import asyncio

import pytest

from adapters.blobs import key_of
from adapters.workspaces.packs import decode_header, unpack_bytes
from adapters.workspaces.snapshots import WHOLE_EVERY, PackSnapshots, bare
from adapters.workspaces.tree import remove_path
from domain.errors import StorageUnavailable
from domain.snapshot import DeletedEntry, FileEntry, snapshot_id
from domain.workspace import FileChange
from tests.adapters.workspaces.world import World, new_world


async def changes(world: World) -> dict[str, tuple[bytes | None, bytes | None]]:
    """With everything of the host gone but the blobs."""
    found = await PackSnapshots(world.blobs).changes(world.snapshot)
    return {change.path: (change.before, change.after) for change in found}


async def test_a_long_run_is_read_back_at_every_call() -> None:
    async with new_world() as world:
        world.write_checkout({"a": b"0"})
        await world.open()
        refs = [(await world.step(f"printf {number} > a; printf {number} > n{number}")) for number in range(70)]
        numbers = [sealed.snapshot.number for sealed in refs]
        assert numbers == [(number + 1) % WHOLE_EVERY for number in range(70)]
        for number in (0, 5, 30, 31, 32, 63, 69):
            ref = refs[number].snapshot
            snapshots = PackSnapshots(world.blobs)
            assert await snapshots.read(ref, "workspace/a") == str(number).encode()
            assert await snapshots.read(ref, f"workspace/n{number + 1}") is None
            manifest = await snapshots.manifest(ref)
            assert snapshot_id(ref.base, manifest) == ref.id
            assert sum(isinstance(entry, FileEntry) for entry in manifest.values()) == number + 2
        assert (await changes(world))["a"] == (b"0", b"69")
        assert await world.view_restored("elsewhere") == await world.view()


async def test_changes_show_both_sides_of_every_file() -> None:
    async with new_world() as world:
        world.write_checkout({"same": b"s", "edit": b"1", "gone": b"2", "d/e/f": b"3", "d/g": b"4", "link": b"5"})
        await world.open()
        await world.step("printf new > edit; rm gone; printf n > new; printf s > same; chmod +x same; mkdir -p .git")
        await world.step("printf newer > edit; rm -r d; printf git > .git/index; mkdir __pycache__; : > __pycache__/x")
        await world.step("mkdir -p d/e; printf again > d/e/f; ln -sf x link; ln -s y other; printf h > /home/agent/h")
        await world.settle()
        await asyncio.to_thread(remove_path, world.root / "host")
        await asyncio.to_thread(remove_path, world.checkout)
        assert await changes(world) == {
            "edit": (b"1", b"newer"),
            "gone": (b"2", None),
            "new": (None, b"n"),
            "d/e/f": (b"3", b"again"),
            "d/g": (b"4", None),
            "link": (b"5", None),
        }


async def test_a_file_that_comes_and_goes_is_no_change() -> None:
    async with new_world() as world:
        world.write_checkout({"a": b"1", "d/b": b"2"})
        await world.open()
        await world.step("printf x > new; printf y > a; mv d e")
        await world.step("rm new; printf 1 > a; mv e d")
        assert await changes(world) == {}


async def test_a_directory_in_place_of_a_file_and_back() -> None:
    async with new_world() as world:
        world.write_checkout({"a": b"1", "d/b": b"2"})
        await world.open()
        await world.step("rm a; mkdir a; printf 3 > a/new; rm -r d; printf 4 > d")
        assert await changes(world) == {
            "a": (b"1", None),
            "a/new": (None, b"3"),
            "d": (None, b"4"),
            "d/b": (b"2", None),
        }


async def test_a_large_file_is_named_but_not_shown() -> None:
    async with new_world() as world:
        world.write_checkout({"big": b"x" * 3_000_000, "small": b"1"})
        await world.open()
        await world.step("printf small > big; head -c 2000000 /dev/zero > small")
        found = await PackSnapshots(world.blobs).changes(world.snapshot)
        assert list(found) == [
            FileChange(path="big", before=b"", after=b"", large=True),
            FileChange(path="small", before=b"", after=b"", large=True),
        ]
        assert await PackSnapshots(world.blobs).read(world.snapshot, "workspace/small") == bytes(2_000_000)


async def test_the_base_itself_has_no_changes() -> None:
    async with new_world() as world:
        ref = bare("c0ffee")
        assert await PackSnapshots(world.blobs).manifest(ref) == {}
        assert await PackSnapshots(world.blobs).changes(ref) == []
        assert await PackSnapshots(world.blobs).read(ref, "workspace/a") is None


async def test_content_is_stored_once() -> None:
    async with new_world() as world:
        await world.open()
        await world.step("head -c 300000 /dev/urandom > a; cp a b; cp a /tmp/c")
        before = sum(path.stat().st_size for path in (world.root / "blobs").rglob("*") if path.is_file())
        assert before < 320_000
        await world.step("touch a; chmod +x b")
        after = sum(path.stat().st_size for path in (world.root / "blobs").rglob("*") if path.is_file())
        assert after - before < 3_000
        manifest = await PackSnapshots(world.blobs).manifest(world.snapshot)
        assert await PackSnapshots(world.blobs).read(world.snapshot, "workspace/b")
        assert not any(isinstance(entry, DeletedEntry) for entry in manifest.values())


@pytest.mark.parametrize("offset", [0, 9, 40, -5])
async def test_a_damaged_pack_is_never_believed(offset: int) -> None:
    async with new_world() as world:
        await world.open()
        await world.step("seq 100 > a")
        assert world.snapshot.pack is not None
        path = world.root / "blobs" / key_of(world.snapshot.pack)
        content = bytearray(path.read_bytes())
        content[offset] ^= 0xFF
        path.write_bytes(bytes(content))
        with pytest.raises(StorageUnavailable, match="damaged"):
            await PackSnapshots(world.blobs).read(world.snapshot, "workspace/a")


async def test_a_pack_says_what_it_holds() -> None:
    async with new_world() as world:
        world.write_checkout({"a": b"before"})
        await world.open()
        await world.step("printf after > a")
        assert world.snapshot.pack is not None
        content = await world.blobs.get(world.snapshot.pack)
        index = decode_header(content, world.snapshot.pack)
        entry = index.header.delta["workspace/a"]
        assert isinstance(entry, FileEntry)
        assert entry.pack == world.snapshot.pack
        offset, length = index.header.contents[entry.hash]
        assert unpack_bytes(content[index.body + offset :][:length], entry.hash) == b"after"
        assert index.header.parent == bare("c0ffee")
        assert set(index.header.before) == {"workspace/a"}
