"""Plain trees are read as every kind of workspaces reads what a command left."""

from adapters.workspaces.materialised import ScanWorkspaces
from tests.adapters.conformance.contents import ContentsConformance


class TestCensus(ContentsConformance):
    kind = ScanWorkspaces
