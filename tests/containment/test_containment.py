"""The 32 checks of the walls, and two of our own, in both sandboxes. The probes are in `probes/`."""

import asyncio
import os
from pathlib import Path

import pytest

from adapters.beneath import read_file
from domain.sandbox import OverlayMount, WritableMount
from domain.workspace import AttemptLayers
from tests.adapters.sandboxes.test_survivors import alive, eventually
from tests.containment.conftest import GROUPS, LIMITS, PROBES, Inside, source

BOMBS = ("12", "13 one", "13 many", "14 tmp", "14 shm", "14 home", "15", "15 files", "30")
ENDED = {"13": "out_of_memory", "14": "disk_limit", "15": "disk_limit", "30": "output_limit"}
OTHERS = (
    *("01", "02", "03", "04", "05", "06", "07", "08", "09", "10", "11", "16", "17", "18", "19", "20", "21", "22", "23"),
    *("24", "26", "27", "31", "32", "33", "34"),
)
FROM_OUTSIDE = ("25", "28", "29")


@pytest.mark.parametrize("number", OTHERS)
async def test_nothing_goes_through(inside: Inside, number: str) -> None:
    result, _ = await inside.probe(number)
    assert (result.exit_code, result.head[:8].decode()) == (0, f"PASS {number} "), result
    assert inside.planted.whole()


@pytest.mark.parametrize("number", BOMBS)
async def test_a_bomb_is_bounded(inside: Inside, number: str) -> None:
    """Either the kernel refuses what is too much, and the probe says so, or the command is ended for it."""
    result, _ = await inside.probe(number)
    said = (result.head + result.tail)[-400:].decode(errors="replace")
    assert "FAIL" not in said, result
    assert said.startswith(f"PASS {number} ") or result.ended == ENDED[number[:2]], result
    assert len(result.head) + len(result.tail) <= 64 * 1024
    assert inside.planted.whole()


async def test_25_a_daemon_does_not_outlive_its_command(inside: Inside) -> None:
    result, _ = await inside.probe("25")
    assert result.head.startswith(b"PASS 25"), result
    # The probe's own script is in no process's arguments.
    assert eventually(lambda: not alive(inside.planted.facts["daemon"]), 1.0)


async def test_28_what_a_command_makes_is_not_roots_on_the_host(inside: Inside) -> None:
    result, layers = await inside.probe("28")
    assert result.head.startswith(b"PASS 28"), result
    made = changed_tree(layers)
    assert {(made / name).lstat().st_uid for name in ("mine", "folder")} - {0} != set()
    assert 0 not in {path.lstat().st_uid for path in made.iterdir()}


async def test_29_traps_for_the_hosts_own_tools_catch_nothing(inside: Inside) -> None:
    result, layers = await inside.probe("29")
    assert result.head.startswith(b"PASS 29"), result
    made = os.open(changed_tree(layers), os.O_RDONLY | os.O_DIRECTORY)
    try:
        for name in ("link", "self", "up/notes", "loop", "pipe", "socket", "d"):
            with pytest.raises(OSError, match=name.split("/")[0]):
                read_file(made, name, 1024**2)
    finally:
        os.close(made)
    world = inside.world
    sealed = await asyncio.wait_for(world.workspaces.seal(world.lease, layers), 60)
    before, world.lease = world.lease, world.lease_of(world.lease.generation, sealed.snapshot)
    await asyncio.wait_for(world.workspaces.apply(before, sealed), 60)
    assert sealed.dropped == 2  # the pipe and the socket
    for path in (world.root / "blobs").rglob("*"):
        assert path.is_dir() or inside.planted.secret.encode() not in path.read_bytes()
    assert inside.planted.whole()


def changed_tree(layers: AttemptLayers) -> Path:
    mount = next(mount for mount in layers.mounts if mount.target == "/workspace")
    assert isinstance(mount, OverlayMount | WritableMount)
    return Path(mount.upper or "") if isinstance(mount, OverlayMount) else Path(mount.source)


def test_every_number_is_tried() -> None:
    tried = {number[:2] for number in (*OTHERS, *BOMBS, *FROM_OUTSIDE)}
    assert tried == {f"{number:02}" for number in range(1, 35)}
    written = {line.split('"')[1] for name in GROUPS for line in source(name).splitlines() if "@probe(" in line}
    assert written == {*OTHERS, *BOMBS, *FROM_OUTSIDE}
    assert {path.stem for path in PROBES.glob("*.py")} == {*GROUPS, "protocol"}
    assert LIMITS.processes < 700


@pytest.mark.parametrize("number", ["02", "05", "07", "08", "09", "10", "16", "19", "20", "26", "31", "33"])
async def test_where_there_are_no_walls_the_probes_say_so(uncontained: Inside, number: str) -> None:
    result, _ = await uncontained.probe(number)
    assert (result.exit_code, result.head[:8].decode()) == (0, f"FAIL {number} "), result
