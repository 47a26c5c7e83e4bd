"""What Docker adds to the contract."""

import pytest

from adapters.sandboxes.docker import DockerSandbox
from tests.adapters.conformance.mounts import PlainMountConformance
from tests.adapters.conformance.sandbox import SandboxConformance


class TestDockerSandbox(SandboxConformance, PlainMountConformance):
    @pytest.fixture
    def sandbox(self, docker_sandbox: DockerSandbox) -> DockerSandbox:
        return docker_sandbox
