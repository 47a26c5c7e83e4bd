"""A host whose commands are given as what they leave behind; all else is as in a real run."""

import os
import stat
from collections.abc import Mapping
from pathlib import Path

from adapters.workspaces.overlay import OverlayWorkspaces
from domain.event import ToolReturned, ToolStarted, WorkspaceOpened
from domain.ports import Blobs, CallCommit, Journal
from domain.record import NewEvent
from domain.sandbox import Enforcement, OverlayMount
from domain.snapshot import SnapshotRef
from domain.tool import ToolResult
from domain.workspace import BaseSpec

BASE = "b" * 40
Left = bytes | str | None
"""The content of a file, the target of a link, or None for a deleted path."""


class Host:
    def __init__(self, journal: Journal, blobs: Blobs, directory: Path) -> None:
        self._journal = journal
        self._workspaces = OverlayWorkspaces(directory / "workspaces", blobs, None)
        self._base = directory / "base"

    async def open(self, run_id: str, base: Mapping[str, bytes]) -> SnapshotRef:
        for path, content in base.items():
            (self._base / path).parent.mkdir(parents=True, exist_ok=True)
            (self._base / path).write_bytes(content)
        lease = await self._journal.take_workspace(run_id, "host")
        snapshot, _ = await self._workspaces.open(lease, BaseSpec(repository="", commit=BASE), self._base)
        await self._journal.settle_base(lease, snapshot)
        opened = WorkspaceOpened(
            host_id="host", generation=lease.generation, snapshot=snapshot, enforcement=Enforcement(sandbox="none")
        )
        await self._journal.record(run_id, [NewEvent(key=f"workspace/{lease.generation}", event=opened)])
        return snapshot

    async def call(self, run_id: str, call: str, subject: str, left: Mapping[str, Left]) -> SnapshotRef:
        """`left` by absolute path, as those inside see it."""
        lease = await self._journal.lease(run_id)
        assert lease is not None
        assert lease.snapshot is not None
        started = ToolStarted(
            call=call,
            name="bash",
            tool_class="write",
            subject=subject,
            attempt=1,
            snapshot_id=lease.snapshot.id,
            generation=lease.generation,
        )
        await self._journal.record(run_id, [NewEvent(key=f"{call}/started/1", event=started)])
        layers = await self._workspaces.begin(lease, call, 1)
        uppers = {mount.target: mount.upper for mount in layers.mounts if isinstance(mount, OverlayMount)}
        for path, content in left.items():
            root = next(target for target in uppers if path.startswith(f"{target}/"))
            leave(Path(uppers[root] or "") / path.removeprefix(f"{root}/"), content)
        sealed = await self._workspaces.seal(lease, layers)
        returned = ToolReturned(
            call=call,
            name="bash",
            subject=subject,
            attempt=1,
            result=ToolResult(text="ok"),
            snapshot=sealed.snapshot,
            changed=sealed.changed,
        )
        commit = CallCommit(
            call=call,
            attempt=1,
            generation=lease.generation,
            started_from=lease.snapshot.id,
            returned=NewEvent(key=f"{call}/returned", event=returned),
        )
        await self._journal.commit_call(run_id, commit)
        await self._workspaces.apply(lease, sealed)
        return sealed.snapshot


def leave(path: Path, content: Left) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    if content is None:
        os.mknod(path, stat.S_IFCHR, os.makedev(0, 0))
    elif isinstance(content, str):
        path.symlink_to(content)
    else:
        path.write_bytes(content)
