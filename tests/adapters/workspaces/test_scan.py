"""Upper directories are read as every kind of workspaces reads what a command left."""

from adapters.workspaces.overlay import OverlayWorkspaces
from tests.adapters.conformance.contents import ContentsConformance


class TestScan(ContentsConformance):
    kind = OverlayWorkspaces
