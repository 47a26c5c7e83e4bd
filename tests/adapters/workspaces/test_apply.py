"""Whatever commands do, a merged base, a plain tree and a restore from packs look the same."""

import asyncio

from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from adapters.workspaces.materialised import ScanWorkspaces
from adapters.workspaces.overlay import OverlayWorkspaces
from tests.adapters.workspaces.world import Kind, new_world, quoted

CHECKOUT = {
    "a/x": b"ax",
    "a/y/z": b"ayz",
    "d/e/f": b"def",
    "d/e/g": b"deg",
    "b": b"b",
    "c c/\n": b"newline",
    "empty": None,
}
PATHS = [
    "a",
    "a/x",
    "a/y",
    "a/y/z",
    "b",
    "d",
    "d/e",
    "d/e/f",
    "n",
    "n/m",
    "n/m/o",
    "c c",
    "../tmp/t",
    "../home/agent/h",
]
path = st.sampled_from(PATHS)
word = st.sampled_from(["one", "two", ""])
mode = st.sampled_from(["000", "0555", "4755", "0700", "1777", "0644"])


def shell(*words: str) -> str:
    return quoted(*words) + " 2>/dev/null"


operation = st.one_of(
    st.builds(lambda p, w: f"printf %s {w} 2>/dev/null > {quoted(p)}", path, word),
    st.builds(lambda p, w: f"printf %s {w} 2>/dev/null >> {quoted(p)}", path, word),
    st.builds(lambda p: shell("rm", "-rf", p), path),
    st.builds(lambda p: shell("mkdir", "-p", p), path),
    st.builds(lambda p, q: shell("mv", "-T", p, q), path, path),
    st.builds(lambda p, q: shell("cp", "-rT", p, q), path, path),
    st.builds(lambda p, q: shell("ln", "-sfT", p, q), path, path),
    st.builds(lambda p, q: shell("ln", p, q), path, path),
    st.builds(lambda m, p: f"test -L {quoted(p)} || " + shell("chmod", m, p), mode, path),
    st.builds(lambda p, w: f"rm -rf {quoted(p)}; mkdir {quoted(p)} && printf %s {w} > {quoted(p)}/new", path, word),
    st.builds(lambda p: f"test -d {quoted(p)} && rm -rf {quoted(p)} && printf file > {quoted(p)}", path),
    st.builds(lambda p: f"test -f {quoted(p)} && rm -f {quoted(p)} && mkdir {quoted(p)}", path),
)
calls = st.lists(st.lists(operation, min_size=1, max_size=6), min_size=1, max_size=4)


any_calls = settings(max_examples=30, deadline=None, suppress_health_check=list(HealthCheck), derandomize=True)


@any_calls
@given(calls)
def test_merged_plain_and_restored_trees_are_equal(scripts: list[list[str]]) -> None:
    asyncio.run(compare(scripts, OverlayWorkspaces, ScanWorkspaces))


@any_calls
@given(calls)
def test_scanned_plain_and_restored_trees_are_equal(scripts: list[list[str]]) -> None:
    asyncio.run(compare(scripts, ScanWorkspaces, OverlayWorkspaces))


async def compare(scripts: list[list[str]], kind: Kind, other: Kind) -> None:
    async with new_world(kind=kind) as world:
        world.write_checkout(CHECKOUT)
        await world.open()
        plain = world.plain()
        assert await world.view() == world.listing(plain)
        for operations in scripts:
            # One after the other, each in its own shell: a failing redirection ends a shell.
            script = "\n".join(f"({one})" for one in operations) + "\ntrue"
            sealed = await world.step(f"exec 2>/dev/null\n{script}")
            await world.shell(f"exec 2>/dev/null\n{script}", plain)
            assert await world.view() == world.listing(plain), script
            again = await world.step("true")
            assert again.snapshot == sealed.snapshot
            assert again.changed == 0
        assert await world.view_restored("elsewhere") == world.listing(plain)
        assert await world.view_restored("another", other) == world.listing(plain)
