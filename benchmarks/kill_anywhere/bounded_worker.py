"""Perdure's own worker in which the parts that were joined are wrapped: it can be killed at any named boundary."""

import dataclasses
import os
from collections.abc import AsyncGenerator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import cast

import worker
from adapters.blobs import ObjectBlobs
from adapters.forges import SettledForges
from adapters.instances import Instance
from adapters.journal.postgres import PostgresJournal
from adapters.models import ProviderModels
from adapters.repositories import GitRepositories
from adapters.sandboxes.bubblewrap import BubblewrapSandbox
from adapters.settings import Settings
from adapters.workspaces.overlay import OverlayWorkspaces
from benchmarks.kill_anywhere.boundaries import DIRECTORY, Boundaries, Bounded, BoundedTasks

GROUPS: dict[type, str] = {
    PostgresJournal: "journal",
    ObjectBlobs: "blobs",
    OverlayWorkspaces: "workspace",
    BubblewrapSandbox: "sandbox",
    ProviderModels: "model",
    GitRepositories: "repository",
    SettledForges: "forge",
}
OURS = ("activities.", "adapters.")
joined = worker.join


@asynccontextmanager
async def join(settings: Settings) -> AsyncGenerator[worker.Parts]:
    boundaries = Boundaries(Path(os.environ[DIRECTORY]))
    async with joined(settings) as parts:
        for one in (*parts.shared, *parts.hosted):
            wrap_what_it_holds(one, boundaries, {})
        yield dataclasses.replace(parts, instance=cast("Instance", BoundedTasks(parts.instance, boundaries)))


def wrap_what_it_holds(holder: object, boundaries: Boundaries, wrapped: dict[int, Bounded]) -> None:
    """Goes through the attributes of our objects, as deep as they are; a part found twice is wrapped once."""
    for name, value in list(getattr(holder, "__dict__", {}).items()):
        if isinstance(value, Bounded) or not type(value).__module__.startswith(OURS):
            continue
        known = id(value) in wrapped
        group = GROUPS.get(type(value))
        if not known:
            wrapped[id(value)] = Bounded(value, group or "", boundaries)
            wrap_what_it_holds(value, boundaries, wrapped)
        if group is not None:
            # Some of the holders are frozen values.
            object.__setattr__(holder, name, wrapped[id(value)])


if __name__ == "__main__":
    # In this process alone: the rest is the product's own program, to the letter.
    worker.join = join
    worker.kept()
