"""What it costs to commit a command's effect in a tree of many files: sealing the attempt and applying it."""

import os
import time
from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path

from adapters.blobs import ObjectBlobs
from adapters.workspaces.materialised import ScanWorkspaces
from adapters.workspaces.overlay import OverlayWorkspaces
from benchmarks.sandbox.commands import Sandboxes, Taken
from domain.ports import Sandbox
from domain.sandbox import Command, Mount
from domain.workspace import BaseSpec, WorkspaceLease

FILES_EACH = 50
EFFECT = "echo {n} >changed; echo {n} >0/0; rm -f gone; mkdir -p new && echo {n} >new/{n}"
"""Changes one file of the checkout, one of its own, and makes another."""

AnyWorkspaces = OverlayWorkspaces | ScanWorkspaces


@dataclass
class Stage:
    """One kind of workspace, and the sandbox that runs commands in it."""

    workspaces: AnyWorkspaces
    sandbox: Sandbox
    lease: WorkspaceLease
    opening: float = 0.0
    beginnings: list[float] = field(default_factory=list[float])
    commits: list[float] = field(default_factory=list[float])

    async def open(self, checkout: Path) -> None:
        began = time.perf_counter()
        base = BaseSpec(repository="https://example.com/many-files", commit="57000")
        snapshot, _ = await self.workspaces.open(self.lease, base, checkout)
        self.lease = self.lease.model_copy(update={"snapshot": snapshot})
        self.opening = time.perf_counter() - began

    async def step(self, number: int) -> None:
        began = time.perf_counter()
        layers = await self.workspaces.begin(self.lease, f"call/{number}", 1)
        self.beginnings.append(time.perf_counter() - began)
        await self._run(EFFECT.format(n=number), layers.mounts)
        began = time.perf_counter()
        sealed = await self.workspaces.seal(self.lease, layers)
        await self.workspaces.apply(self.lease, sealed)
        self.commits.append(time.perf_counter() - began)
        assert sealed.changed >= 3, sealed
        self.lease = self.lease.model_copy(update={"snapshot": sealed.snapshot})

    async def _run(self, text: str, mounts: Sequence[Mount]) -> None:
        environment = self.sandbox.environment
        name = self.lease.workspace_id
        command = Command(argv=("sh", "-ec", text), environment=environment, mounts=tuple(mounts), run_id=name)
        result = await self.sandbox.run(command)
        assert result.exit_code == 0, result


def make_tree(place: Path, files: int, owner: int | None) -> None:
    for number in range(files):
        path = place / str(number // FILES_EACH) / str(number % FILES_EACH)
        if number % FILES_EACH == 0:
            path.parent.mkdir(parents=True)
        path.write_text(f"{number}\n" * 10)
    for directory, names, others in os.walk(place) if owner is not None else ():
        for name in ("", *names, *others):
            os.chown(Path(directory, name), owner or 0, owner or 0)


async def commit_costs(
    home: Path, sandboxes: Sandboxes, agent_uid: int | None, files: int, rounds: int
) -> dict[str, dict[str, Taken]]:
    """By kind of workspace."""
    checkout = home / "checkout"
    make_tree(checkout, files, agent_uid)
    blobs = ObjectBlobs(f"file://{home}/blobs")
    walls = sandboxes.walls
    overlay = OverlayWorkspaces(home / "overlay", blobs, agent_uid)
    scan = ScanWorkspaces(home / "scan", blobs, agent_uid)
    stages = {
        "overlay": Stage(overlay, walls["bubblewrap"], _lease("overlay")),
        "scan": Stage(scan, walls.get("docker, warm", walls["bubblewrap"]), _lease("scan")),
    }
    # One after the other, as a worker has one kind: what a scan leaves to be written out, the other would wait for.
    for stage in stages.values():
        await stage.open(checkout)
        for number in range(rounds):
            await stage.step(number)
        await stage.workspaces.settle()
    return {
        name: {
            "open": Taken.of([stage.opening]),
            "begin": Taken.of(stage.beginnings),
            "commit": Taken.of(stage.commits),
        }
        for name, stage in stages.items()
    }


def _lease(name: str) -> WorkspaceLease:
    return WorkspaceLease(workspace_id=f"bench-{name}", host_id="here", generation=1, snapshot=None)
