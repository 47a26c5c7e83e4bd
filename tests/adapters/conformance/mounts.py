"""What every sandbox does with the mounts of a command. A test file subclasses this and gives `sandbox`."""

import os
import stat
from pathlib import Path

import pytest

from domain.errors import SandboxUnavailable
from domain.sandbox import WORKSPACE_PATH, Mount, OverlayMount, ReadOnlyMount
from tests.adapters.conformance.sandbox import AnySandbox, said
from tests.adapters.sandboxes.conftest import AGENT_UID, owned_by_agent


class Layers:
    """Two layers below, and one above for changes."""

    def __init__(self, folder: Path) -> None:
        self.low, self.high, self.upper, self.work = (
            owned_by_agent(folder / name) for name in ("low", "high", "upper", "work")
        )
        for layer in (self.low, self.high):
            owned_by_agent(layer / "dir")
            for path in (layer / layer.name, layer / "both", layer / "dir" / layer.name):
                path.write_text(f"{layer.name}\n")
                owned_by_agent(path)
        self.sources = (str(self.low), str(self.high))

    def writable(self) -> OverlayMount:
        return OverlayMount(sources=self.sources, target=WORKSPACE_PATH, upper=str(self.upper), work=str(self.work))


def in_workspace(*mounts: Mount) -> dict[str, object]:
    return {"cwd": WORKSPACE_PATH, "mounts": mounts}


class PlainMountConformance:
    """Of every sandbox, also those that know no overlays."""

    async def test_a_read_only_mount_cannot_be_written(self, sandbox: AnySandbox, folder: Path) -> None:
        (folder / "file").write_text("here\n")
        mount = ReadOnlyMount(source=str(folder), target="/outputs/1-0")
        assert await said(sandbox, "cat /outputs/1-0/file; ! touch /outputs/1-0/x 2>/dev/null", mounts=(mount,))
        assert not (folder / "x").exists()

    async def test_a_mount_whose_source_is_gone_is_a_failure_of_ours(self, sandbox: AnySandbox) -> None:
        with pytest.raises(SandboxUnavailable, match="source"):
            await said(sandbox, "true", mounts=(ReadOnlyMount(source="/no/such/place", target="/x"),))


class MountConformance(PlainMountConformance):
    async def test_higher_layers_cover_lower_ones(self, sandbox: AnySandbox, folder: Path) -> None:
        layers = Layers(folder)
        for mount in (layers.writable(), OverlayMount(sources=layers.sources, target=WORKSPACE_PATH)):
            seen = await said(sandbox, "cat low high both; ls dir", **in_workspace(mount))
            assert seen.split() == ["low", "high", "high", "high", "low"]

    async def test_one_layer_alone_is_seen_read_only(self, sandbox: AnySandbox, folder: Path) -> None:
        mount = OverlayMount(sources=(str(Layers(folder).low),), target=WORKSPACE_PATH)
        assert await said(sandbox, "cat low; ! touch x 2>/dev/null", **in_workspace(mount)) == "low\n"

    async def test_changes_reach_the_upper_directory_alone(self, sandbox: AnySandbox, folder: Path) -> None:
        layers = Layers(folder)
        text = "rm low; echo changed >high; mkdir new; rm -r dir; mkdir dir; ls dir"
        assert await said(sandbox, text, **in_workspace(layers.writable())) == ""
        hidden = (layers.upper / "low").lstat()
        assert stat.S_ISCHR(hidden.st_mode)
        assert hidden.st_rdev == 0
        assert os.getxattr(layers.upper / "dir", "user.overlay.opaque") == b"y"
        assert (layers.upper / "high").read_text() == "changed\n"
        assert (layers.high / "high").read_text() == "high\n"
        assert (layers.low / "low").exists()
        agent = AGENT_UID if AGENT_UID is not None else os.geteuid()
        assert (layers.upper / "high").stat().st_uid == agent

    async def test_a_lower_directory_is_moved_by_mv_though_rename_fails(
        self, sandbox: AnySandbox, folder: Path
    ) -> None:
        layers = Layers(folder)
        text = (
            'python3 -c \'import os; os.rename("dir", "moved")\' 2>&1 | tail -1 | cut -d: -f1; mv dir moved; ls moved'
        )
        assert await said(sandbox, text, **in_workspace(layers.writable())) == "OSError\nhigh\nlow\n"
