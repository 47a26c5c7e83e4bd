"""Whatever names, modes and nodes a command leaves, the snapshot has them or says what it dropped: in every kind of
workspaces. A test file subclasses this and gives `kind`."""

import asyncio
import time
import tracemalloc
from pathlib import Path

import pytest

from adapters.workspaces.materialised import ScanWorkspaces
from adapters.workspaces.overlay import OverlayWorkspaces
from adapters.workspaces.scan import DeltaCaps
from adapters.workspaces.snapshots import PackSnapshots
from domain.errors import OutOfSpace
from domain.snapshot import DirectoryEntry, FileEntry, LinkEntry
from tests.adapters.workspaces.world import AGENT, Kind, new_world, quoted, sha

NAMES = [
    "-rf",
    "new\nline",
    b"\xff\xfe",
    "\u202egpj.exe",
    "Case",
    "case",
    " ",
    "a\\b",
    '"',
    "%2F",
    "perdure",
    "é",
    "e\u0301",
]

PASSWD = sha(Path("/etc/passwd").read_bytes())
PLANTED = """
ln -s /etc/passwd passwd; ln -s /proc/self/environ environ; ln -s /proc/self/root root; ln -s ../../.. up
ln -s SECRET secret; rm -f out; ln -s SECRET out; rm -rf a; ln -s /etc a; ln -s loop loop; ln -s /proc/1/fd/0 fd
mkfifo pipe -- -p; rm -rf link; mkfifo link; printf x > -rf; printf x > 'new
line'; printf x > "$(printf '\\377\\376')"; chmod 000 ./-rf; mkdir shut; printf x > shut/x; chmod 000 shut
mkdir deep; cd deep; i=0; while [ $i -lt 1500 ]; do mkdir d; cd -P d 2>/dev/null || exit 1; i=$((i+1)); done
ln -s /etc/passwd end; printf x > bottom
"""


class ContentsConformance:
    kind: Kind

    async def test_hostile_names_survive(self) -> None:
        async with new_world(kind=self.kind) as world:
            await world.open()
            await world.step("; ".join(f"printf x > ./{quoted(name)}" for name in NAMES))
            await world.step(
                "mkdir deep && " + " && ".join(f"ln -s -- {quoted(name)} deep/{quoted(name)}" for name in NAMES)
            )
            manifest = await PackSnapshots(world.blobs).manifest(world.snapshot)
            assert len([entry for entry in manifest.values() if isinstance(entry, FileEntry)]) == len(NAMES)
            assert manifest["workspace/deep/\udcff\udcfe"] == LinkEntry(target="\udcff\udcfe")
            assert await PackSnapshots(world.blobs).read(world.snapshot, "workspace/\udcff\udcfe") == b"x"
            changes = await PackSnapshots(world.blobs).changes(world.snapshot)
            assert {change.path for change in changes} >= {"-rf", "new\nline", "\udcff\udcfe"}
            assert await world.view_restored("elsewhere") == await world.view()

    async def test_very_deep_directories_are_scanned_merged_restored_and_removed(self) -> None:
        down = "cd -P d 2>/dev/null"
        deep = f"i=0; while [ $i -lt 1500 ]; do mkdir d && {down} || exit 1; i=$((i+1)); done; printf x > bottom"
        async with new_world(kind=self.kind) as world:
            await world.open()
            await world.step(f"mkdir top; cd top; {deep}")
            manifest = await PackSnapshots(world.blobs).manifest(world.snapshot)
            assert "workspace/top/" + "d/" * 1500 + "bottom" in manifest
            other = world.host("elsewhere")
            await other.open(world.lease_of(5, world.lease.snapshot), world.base, world.checkout)
            at_bottom = "cd top; while cd -P d 2>/dev/null; do :; done; cat bottom"
            layers = await other.read_mounts(world.lease_of(5, world.lease.snapshot))
            assert await world.shell(at_bottom, layers.mounts) == b"x"
            await world.step("rm -rf top")
            assert set(await PackSnapshots(world.blobs).manifest(world.snapshot)) <= {"workspace", "home", "tmp"}

    async def test_a_planted_tree_leaks_nothing_hangs_nowhere_and_is_kept(self) -> None:
        async with new_world(kind=self.kind) as world:
            world.write_checkout({"a/file": b"1", "out": b"2"})
            (world.root / "secret").write_bytes(b"host-secret")
            await world.open()
            before = await world.view()
            layers = await world.workspaces.begin(world.lease, "call", 1)
            await world.shell(PLANTED.replace("SECRET", str(world.root / "secret")), layers.mounts)
            sealed = await asyncio.wait_for(world.workspaces.seal(world.lease, layers), 30)
            assert sealed.dropped == 3
            packs = [path.read_bytes() for path in (world.root / "blobs").rglob("*") if path.is_file()]
            kept = await PackSnapshots(world.blobs).manifest(sealed.snapshot)
            assert isinstance(kept["workspace/passwd"], LinkEntry)
            hashes = {entry.hash for entry in kept.values() if isinstance(entry, FileEntry)}
            assert not hashes & {sha(b"host-secret"), PASSWD}
            assert packs
            await world.workspaces.apply(world.lease, sealed)
            committed, world.lease = world.lease, world.lease_of(1, sealed.snapshot)
            planted = await world.view()
            assert await world.view_restored("elsewhere") == planted
            layers = await world.workspaces.begin(world.lease, "again", 1)
            await world.shell(f"rm -rf a out deep; {PLANTED}", layers.mounts)
            await asyncio.wait_for(world.workspaces.discard("run/1", "again", 2), 30)
            assert await world.view() == planted
            assert (world.root / "secret").read_bytes() == b"host-secret"
            assert (before, committed.snapshot) != (planted, world.lease.snapshot)

    async def test_a_tebibyte_of_nothing_is_refused_unread(self) -> None:
        async with new_world(kind=self.kind) as world:
            await world.open()
            layers = await world.workspaces.begin(world.lease, "call", 1)
            await world.shell("truncate -s 1T huge; ln huge link", layers.mounts)
            began = time.monotonic()
            with pytest.raises(OutOfSpace, match="bytes of files"):
                await world.workspaces.seal(world.lease, layers)
            await world.workspaces.discard("run/1", "call", 2)
            assert time.monotonic() - began < 10
            assert (await world.step("true")).changed == 0

    async def test_links_are_never_followed(self) -> None:
        async with new_world(kind=self.kind) as world:
            world.write_checkout({"a/inside": b"1", "b": b"2"})
            await world.open()
            (world.root / "outside").mkdir()
            (world.root / "outside" / "inside").write_bytes(b"mine")
            await world.step(f"rm -rf a b; ln -s {world.root}/outside a; ln -s /proc/self/root b; ln -s loop loop")
            await world.step("rm a && mkdir a && printf theirs > a/inside")
            await world.step(f"rm -rf a; ln -s {world.root}/outside a; ln -s ../../../../etc tmp")
            assert (world.root / "outside" / "inside").read_bytes() == b"mine"
            assert await world.view_restored("elsewhere") == await world.view()

    async def test_modes_survive_and_are_never_in_the_way(self) -> None:
        async with new_world(kind=self.kind) as world:
            world.write_checkout({"ro/file": b"1", "plain": b"2"})
            await world.open()
            await world.step(
                "printf s > s; chmod 4755 s; printf n > n; chmod 000 n; mkdir z; printf z > z/z; chmod 000 z"
            )
            await world.step("printf more > ro/more; chmod 0555 ro; chmod 2750 plain")
            await world.step("printf again > ro/again; rm ro/file; printf y > z/y; printf nn >> n")
            await world.step("mv ro moved; mv z moved2; mkdir ro; chmod 0555 ro")
            manifest = await PackSnapshots(world.blobs).manifest(world.snapshot)
            modes = {
                path: entry.mode for path, entry in manifest.items() if isinstance(entry, FileEntry | DirectoryEntry)
            }
            assert modes["workspace/s"] == 0o4755
            assert modes["workspace/n"] == 0
            assert modes["workspace/moved2"] == 0
            assert modes["workspace/ro"] == modes["workspace/moved"] == 0o555
            assert modes["workspace/plain"] == 0o2750
            assert await world.view_restored("elsewhere") == await world.view()

    async def test_a_root_that_was_closed_can_be_entered_again(self) -> None:
        async with new_world(kind=self.kind) as world:
            await world.open()
            await world.step("chmod 000 /workspace /tmp")
            layers = await world.workspaces.read_mounts(world.lease)
            assert await world.shell("stat -c %a /workspace /tmp", layers.mounts, privileged=False) == b"700\n700\n"

    async def test_pipes_sockets_and_devices_are_dropped_and_counted(self) -> None:
        async with new_world(kind=self.kind) as world:
            world.write_checkout({"over": b"1", "folder/a": b"2"})
            await world.open()
            sealed = await world.step("mkfifo pipe; rm over; mkfifo over; rm -r folder; mkfifo folder; printf x > kept")
            assert sealed.dropped == 3
            assert await world.view_restored("elsewhere") == await world.view()
            layers = await world.workspaces.read_mounts(world.lease)
            assert await world.shell("ls -A", layers.mounts) == b"kept\n"
            only = await world.step("mkfifo pipe")
            assert (only.changed, only.dropped) == (0, 1)

    async def test_hard_links_become_copies(self) -> None:
        async with new_world(kind=self.kind) as world:
            await world.open()
            await world.step("printf one > a; ln a b; ln a /workspace/c; chmod 600 a")
            await world.step("printf two > b")
            layers = await world.workspaces.read_mounts(world.lease)
            assert await world.shell("cat a b c", layers.mounts) == b"onetwoone"
            assert await world.view_restored("elsewhere") == await world.view()

    async def test_a_huge_sparse_file_costs_neither_memory_nor_disk(self) -> None:
        async with new_world(kind=self.kind) as world:
            await world.open()
            layers = await world.workspaces.begin(world.lease, "call", 1)
            await world.shell("truncate -s 400M huge; printf end >> huge; truncate -s 300M /tmp/other", layers.mounts)
            tracemalloc.start()
            sealed = await world.workspaces.seal(world.lease, layers)
            peak = tracemalloc.get_traced_memory()[1]
            tracemalloc.stop()
            assert peak < 60 * 1024**2
            assert (
                sum(path.stat().st_size for path in (world.root / "blobs").rglob("*") if path.is_file()) < 2 * 1024**2
            )
            lease = world.lease_of(3, sealed.snapshot)
            other = world.host("elsewhere")
            await other.open(lease, world.base, world.checkout)
            mounts = (await other.read_mounts(lease)).mounts
            assert await world.shell("stat -c %s huge; tail -c 3 huge", mounts) == b"419430403\nend"
            assert int(await world.shell("stat -c %b huge", mounts)) < 2_000

    @pytest.mark.parametrize(
        ("caps", "script", "says"),
        [
            (DeltaCaps(files=20), "for i in $(seq 30); do : > $i; done", "more than 20 files"),
            (DeltaCaps(bytes=1000), "truncate -s 1T x || head -c 2000 /dev/zero > x", "more than 1000 bytes"),
            (DeltaCaps(names=100), "mkdir -p " + "/".join(["name"] * 30), "more than 100 characters"),
        ],
    )
    async def test_a_cap_says_which_it_is_and_the_run_goes_on(self, caps: DeltaCaps, script: str, says: str) -> None:
        async with new_world(caps, self.kind) as world:
            await world.open()
            with pytest.raises(OutOfSpace, match=says):
                await world.attempt(script)
            await world.step("printf x > y")
            await world.workspaces.discard("run/1", "turn/1/call/0", 2)
            assert b"f 644 workspace/y -> " in await world.view()

    async def test_the_same_effect_has_the_same_snapshot_id_whenever_it_happens(self) -> None:
        script = (
            "mkdir -p n/m; printf x > n/m/f; rm -r a; mkdir a; printf y > a/z; ln -s x l; chmod 700 b; printf h > ~/h"
        )
        ids: list[str] = []
        for kind in (self.kind, self.kind, OverlayWorkspaces, ScanWorkspaces):
            async with new_world(kind=kind) as world:
                world.write_checkout({"a/x": b"1", "b": b"2"})
                await world.open()
                ids.append((await world.step(f"{script}; printf h > /home/agent/h")).snapshot.id)
                await world.step("mkdir e; printf 1 > e/1; : > q")
                await world.step("rm -r e q")
                ids.append(world.snapshot.id)
        assert len(set(ids)) == 1, "the kinds of workspaces differ"

    async def test_what_a_call_makes_and_unmakes_changes_nothing(self) -> None:
        async with new_world(kind=self.kind) as world:
            world.write_checkout({"a/x": b"1"})
            await world.open()
            sealed = await world.step("printf 1 > a/new; rm a/new; mkdir /tmp/t; rmdir /tmp/t")
            assert sealed.changed == 0
            assert sealed.snapshot.pack is None
            assert not (world.root / "blobs" / "ab").exists()

    async def test_as_root_everything_a_command_may_write_belongs_to_the_agent(self) -> None:
        async with new_world(kind=self.kind) as world:
            world.write_checkout({"a/x": b"1"})
            await world.open()
            await world.step("printf 2 > a/x; mkdir -p n/m; ln -s x l")
            lease = world.lease_of(7, world.lease.snapshot)
            other = world.host("elsewhere")
            await other.open(lease, world.base, world.checkout)
            layers = await other.begin(lease, "c", 1)
            found = await world.shell("find / -xdev -path '/w*' -printf '%U ' ", layers.mounts, privileged=False)
            assert AGENT is None or set(found.split()) == {str(AGENT).encode()}
            await world.shell("printf 3 > a/x; printf 3 > n/m/q; rm l", layers.mounts, privileged=False)
            assert (await other.seal(lease, layers)).changed == 3
