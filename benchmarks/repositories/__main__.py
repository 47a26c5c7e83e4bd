"""What a run waits for before and after its turns: `python -m benchmarks.repositories [FILES ...]`.

Milliseconds on repositories of so many files of 4 KB each, from a local origin: the first run on a repository, a later
run, a host that lost its disk, and the way out (commit in the sandbox, checks, push).
"""

import argparse
import asyncio
import os
import random
import shutil
import subprocess
import tempfile
import time
import uuid
from collections.abc import Awaitable, Sequence
from pathlib import Path
from typing import TypeVar

from adapters.blobs import ObjectBlobs
from adapters.repositories import GitRepositories, RemotePolicy
from adapters.sandboxes.bubblewrap import BubblewrapSandbox
from adapters.settings import DEFAULT_AGENT_UID
from domain.repository import CommitSpec, RepositorySpec
from domain.sandbox import MIRROR_PATH, WORKSPACE_PATH, OverlayMount, ReadOnlyMount

T = TypeVar("T")
AGENT_UID = DEFAULT_AGENT_UID if os.geteuid() == 0 else None
FILE_BYTES = 4096
REPEATS = 5


class Clock:
    """Milliseconds by name, printed as they come."""

    async def time(self, name: str, work: Awaitable[T]) -> T:
        began = time.perf_counter()
        answer = await work
        print(f"  {name:<44}{(time.perf_counter() - began) * 1000:10.1f}")
        return answer

    async def best(self, name: str, work: Sequence[Awaitable[T]]) -> T:
        """The median of several."""
        taken, answer = [], None
        for one in work:
            began = time.perf_counter()
            answer = await one
            taken.append((time.perf_counter() - began) * 1000)
        print(f"  {name:<44}{sorted(taken)[len(taken) // 2]:10.1f}")
        assert answer is not None
        return answer


def make_origin(path: Path, files: int) -> None:
    chance = random.Random(files)
    for number in range(files):
        file = path / f"package{number % 97}" / f"module{number % 31}" / f"file{number}.txt"
        file.parent.mkdir(parents=True, exist_ok=True)
        file.write_bytes(chance.randbytes(FILE_BYTES // 2).hex().encode())
    for command in (
        "init --quiet --initial-branch=main",
        "add --all",
        "-c user.name=a -c user.email=b commit -qm one",
    ):
        subprocess.run(["git", "-C", str(path), *command.split()], check=True)


async def measure(place: Path, sandbox: BubblewrapSandbox, files: int) -> None:
    print(f"{files} files")
    origin = place / "origin"
    make_origin(origin, files)
    policy = RemotePolicy(allowed_paths=(str(place),))
    blobs = ObjectBlobs(f"file://{place / 'blobs'}")
    clock, spec = Clock(), RepositorySpec(url=str(origin))
    here = GitRepositories(place / "here", blobs, sandbox, policy, AGENT_UID)
    base = await clock.time("first run: resolve, with fetch and pack", here.resolve(spec))
    tree = await clock.time("first run: checkout", here.checkout(base))
    await clock.best("later run: resolve", [here.resolve(spec) for _ in range(REPEATS)])
    await clock.best("later run: checkout", [here.checkout(base) for _ in range(REPEATS)])
    there = GitRepositories(place / "there", blobs, sandbox, policy, AGENT_UID)
    await clock.time("lost disk: checkout from the blob store", there.checkout(base))

    upper = place / "upper"
    upper.mkdir()
    (upper / "changed.txt").write_text("changed\n")
    for path in (upper, upper / "changed.txt") if AGENT_UID else ():
        os.chown(path, AGENT_UID or -1, AGENT_UID or -1)
    overlay = OverlayMount(sources=(str(tree), str(upper)), target=WORKSPACE_PATH)
    commit = CommitSpec(message="Change", unix_time=1_700_000_000, branch="perdure/benchmark")
    changes = {
        "mounts": (overlay, ReadOnlyMount(source=str(here.mirror(base)), target=MIRROR_PATH)),
        "name": uuid.uuid4().hex,
        "output_path": str(place / "pack"),
    }
    command = here.commit_command(base.commit, commit).model_copy(update=changes)
    result = await clock.time("way out: commit in the sandbox", sandbox.run(command))
    commit_id = result.report.decode().split()[0]
    work = await clock.time("way out: checks, pack and diff", here.take_in(base, place / "pack", commit_id, commit))
    await clock.time("way out: push", here.push(base, work))


def make_home() -> Path:
    """Not readable by others, but for the agent's user to enter."""
    home = Path(tempfile.mkdtemp(prefix="perdure-benchmark-"))
    home.chmod(0o711)
    return home


async def main(sizes: list[int]) -> None:
    home = make_home()
    try:
        sandbox = BubblewrapSandbox(home / "sandbox", AGENT_UID)
        await sandbox.prepare()
        print(f"{'milliseconds':>56}")
        for files in sizes:
            place = home / f"files-{files}"
            place.mkdir(mode=0o711)
            await measure(place, sandbox, files)
    finally:
        await asyncio.to_thread(shutil.rmtree, home)


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description="What a run waits for before and after its turns.")
    parser.add_argument("files", type=int, nargs="*", default=[100, 5000])
    asyncio.run(main(parser.parse_args().files))
