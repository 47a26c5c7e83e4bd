"""The files of runs on this host: as layers where the sandbox mounts overlays, else as plain directories."""

from adapters.settings import Settings
from adapters.workspaces.materialised import ScanWorkspaces
from adapters.workspaces.overlay import OverlayWorkspaces
from domain.ports.files import Blobs


def make_workspaces(settings: Settings, blobs: Blobs) -> OverlayWorkspaces | ScanWorkspaces:
    kind = ScanWorkspaces if settings.sandbox == "docker" else OverlayWorkspaces
    return kind(settings.worker_home / "workspaces", blobs, settings.agent_uid)
