"""A program for `test_overlay` and `test_materialised`: workers that are killed -9 at random, and a look at the
workspace after each.

Prints how many steps were committed and how many kills there were; any difference ends it with a traceback.
"""

import asyncio
import contextlib
import os
import random
import signal
import sys
import time
from collections.abc import Awaitable, Callable
from functools import partial
from pathlib import Path

from adapters.sandboxes.proc import all_pids
from adapters.workspaces.materialised import ScanWorkspaces
from adapters.workspaces.overlay import OverlayWorkspaces
from domain.snapshot import SnapshotRef
from domain.value import Value
from tests.adapters.workspaces.world import Kind, World

CHECKOUT = {"a/x": b"ax", "a/y/z": b"ayz", "d/e/f": b"def", "b0": b"", "b1": b"", "b2": b"", "ro/first": b"1"}
KIND: Kind = ScanWorkspaces if "--scan" in sys.argv else OverlayWorkspaces
KILLS = 30
CHANGES = {
    "open",
    "os.rename",
    "os.mkdir",
    "os.remove",
    "os.rmdir",
    "os.chmod",
    "os.setxattr",
    "os.symlink",
    "os.utime",
}
CHANGES_OF_ONE_APPLY = 250
LONGEST_SECONDS = 0.5
SCRIPT = """
exec 2>/dev/null; n={n}
echo $n >> log; echo $(($(cat counter || echo 0) + 1)) > counter; echo $n >> b$((n % 3))
rm -rf box; mkdir box; echo $n > box/$n
mkdir -p keep; echo $n > keep/$n; mv keep/$((n - 1)) keep/$((n - 1)).old; rm -f keep/$((n - 3)).old
echo $n > ro/$n; chmod 0555 ro; echo $n >> shut; chmod 000 shut
case $((n % 4)) in 0) rm -rf a;; 1) mkdir -p a/y; echo $n > a/x;; 2) rm -rf a; echo $n > a;; *) ln -sfT d a;; esac
case $((n % 3)) in 0) mv -T d moved;; 1) mkdir -p moved; rm -rf d; mv -T moved d;; esac
mkdir -p /tmp/t/u; echo $n >> /tmp/t/u/v; echo $n > /home/agent/last
true
"""


class Record(Value):
    """What the journal would hold."""

    steps: int = 0
    generation: int = 0
    opened: int = 0
    """The newest generation whose opening was answered."""
    attempts: int = 0
    snapshot: SnapshotRef | None = None


class Trial:
    def __init__(self, root: Path) -> None:
        self.world = World(root, kind=KIND)
        self.path = root / "record.json"
        self.record = Record()
        if self.path.exists():
            self.record = Record.model_validate_json(self.path.read_bytes())

    def commit(self, **changes: object) -> None:
        self.record = self.record.model_copy(update=changes)
        part = self.path.with_suffix(".part")
        with part.open("w") as file:
            file.write(self.record.model_dump_json())
            file.flush()
            os.fsync(file.fileno())
        part.replace(self.path)

    async def work(self, die_at: int | None = None) -> None:
        """For ever, or until that many changes of files have been made after a commit."""
        await self._open()
        while True:
            attempt, step = self.record.attempts + 1, self.record.steps
            self.commit(attempts=attempt)
            workspaces = self.world.workspaces
            lease = self.world.lease_of(self.record.generation, self.record.snapshot)
            await workspaces.discard(lease.workspace_id, f"turn/{step}", attempt)
            layers = await workspaces.begin(lease, f"turn/{step}", attempt)
            await self.world.shell(SCRIPT.format(n=step), layers.mounts)
            sealed = await workspaces.seal(lease, layers)
            self.commit(steps=step + 1, snapshot=sealed.snapshot)
            if die_at is not None:
                die_after(die_at)
            await workspaces.apply(lease, sealed)

    async def look(self) -> None:
        """The base of the host, and a base made from packs, against a plain tree that took the committed steps."""
        lease = self.world.lease_of(self.record.generation, self.record.snapshot)
        if self.record.generation == 0:
            return
        plain = self.world.plain()
        counted = self.world.root / "plain-steps"
        done = int(counted.read_text()) if counted.exists() else 0
        for step in range(done, self.record.steps):
            await self.world.shell(SCRIPT.format(n=step), plain)
        counted.write_text(str(self.record.steps))
        expected = self.world.listing(plain)
        if self.record.opened == self.record.generation:
            require_same(await self.world.view(lease=lease), expected)
        if self.record.snapshot is not None and self.record.steps % 5 == 0:
            self.world.lease = lease
            require_same(await self.world.view_restored(f"other-{time.monotonic_ns()}"), expected)
        await self.world.settle()

    async def _open(self) -> None:
        """A new generation every other time: the rest go on where the last worker stopped."""
        if self.record.opened and self.record.opened == self.record.generation and random.random() < 0.5:
            await self.world.workspaces.sweep()
            return
        self.commit(generation=self.record.generation + 1)
        lease = self.world.lease_of(self.record.generation, self.record.snapshot)
        await self.world.workspaces.open(lease, self.world.base, self.world.checkout)
        self.commit(opened=self.record.generation)


def require_same(found: list[bytes], expected: list[bytes]) -> None:
    more, missing = set(found) - set(expected), set(expected) - set(found)
    assert found == expected, f"there, and should not be: {sorted(more)}; not there: {sorted(missing)}"


def die_after(changes: int) -> None:
    """Kills this process just before it makes that change to the file system."""
    left = changes

    def count(event: str, _: tuple[object, ...]) -> None:
        nonlocal left
        left -= event in CHANGES
        if left < 0 and event in CHANGES:
            os.kill(os.getpid(), signal.SIGKILL)

    sys.addaudithook(count)


def in_child(work: Callable[[], Awaitable[None]], kill_after: float | None) -> None:
    """In a fresh process, forked before anything here has a thread."""
    child = os.fork()
    if child == 0:
        os.setpgid(0, 0)
        try:
            asyncio.run(as_coroutine(work))
        except BaseException as error:
            os.write(1, f"failed: {type(error).__name__}: {error}\n".encode())
            os._exit(1)
        os._exit(0)
    if kill_after is not None:
        time.sleep(kill_after)
        os.kill(child, signal.SIGKILL)
    _, status = os.waitpid(child, 0)
    end_group(child)
    if os.WIFEXITED(status):
        assert os.WEXITSTATUS(status) == 0, "a worker failed by itself"


def end_group(group: int) -> None:
    """A shell that was just being started knows nothing yet of its worker's death; the sandboxes have a gate for it."""
    with contextlib.suppress(ProcessLookupError):
        os.killpg(group, signal.SIGKILL)
    while any(group_of(pid) == group for pid in all_pids()):
        time.sleep(0.01)


def group_of(pid: int) -> int | None:
    """None of one that is dead."""
    with contextlib.suppress(OSError):
        state, _, group, *_ = Path(f"/proc/{pid}/stat").read_text(errors="replace").rpartition(")")[2].split()
        return None if state == "Z" else int(group)
    return None


async def as_coroutine(work: Callable[[], Awaitable[None]]) -> None:
    await work()


def main(root: Path) -> None:
    World(root).write_checkout(CHECKOUT)
    every = range(CHANGES_OF_ONE_APPLY) if "--everywhere" in sys.argv else ()
    for kill in every or range(KILLS):
        trial = Trial(root)
        if every or kill % 2:
            die_at = kill if every else random.randrange(CHANGES_OF_ONE_APPLY)
            in_child(partial(trial.work, die_at), None)
        else:
            in_child(trial.work, random.uniform(0.02, LONGEST_SECONDS))
        in_child(Trial(root).look, None)
    sys.stdout.write(f"{Trial(root).record.steps} steps, {len(every) or KILLS} kills\n")


if __name__ == "__main__":
    main(Path(sys.argv[1]))
