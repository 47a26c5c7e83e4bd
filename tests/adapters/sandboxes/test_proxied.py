import os
import subprocess

import pytest

from adapters.sandboxes.bubblewrap import BubblewrapSandbox
from adapters.sandboxes.docker import DockerSandbox
from adapters.sandboxes.proxied import FIND_PYTHON, with_proxy
from domain.sandbox import Command
from tests.adapters.conformance.network import NetworkConformance


class TestBubblewrap(NetworkConformance):
    @pytest.fixture
    def sandbox(self, bubblewrap: BubblewrapSandbox) -> BubblewrapSandbox:
        return bubblewrap


class TestDocker(NetworkConformance):
    @pytest.fixture
    def sandbox(self, docker_sandbox: DockerSandbox) -> DockerSandbox:
        return docker_sandbox


def test_a_sandbox_without_python_says_what_it_needs() -> None:
    text = FIND_PYTHON.replace("python3", "no-such-python")
    said = subprocess.run(["/bin/sh", "-c", text], env={"PATH": os.environ["PATH"]}, capture_output=True, check=False)
    assert said.returncode == 125
    assert b"no-such-python" in said.stderr and b"image" in said.stderr


def test_a_command_without_a_proxy_stays_as_it_is() -> None:
    command = Command(argv=("true",))
    assert with_proxy(command) is command
