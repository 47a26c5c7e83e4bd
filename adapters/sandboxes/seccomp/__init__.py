"""The system calls that a sandboxed command may not make: a compiled filter for each architecture."""

import os
import platform
from importlib import resources

from domain.errors import SandboxRefused

MACHINES = {"x86_64": "x86_64", "amd64": "x86_64", "aarch64": "aarch64", "arm64": "aarch64"}


def load_filter() -> bytes:
    """The filter for this machine. SandboxRefused where none was compiled for it."""
    machine = platform.machine().lower()
    name = MACHINES.get(machine)
    if name is None:
        raise SandboxRefused(
            f"No system call filter for the architecture {machine}.",
            "Run the worker on x86_64 or aarch64, or add the architecture to adapters/sandboxes/seccomp/build.py.",
        )
    return resources.files(__package__ or __name__).joinpath(f"{name}.bpf").read_bytes()


def docker_profile() -> str:
    """The same rules as an allow-list, in Docker's own form."""
    return resources.files(__package__ or __name__).joinpath("docker.json").read_text()


def memory_file(name: str, content: bytes) -> int:
    """A fresh descriptor for each launch: bwrap consumes the offset."""
    fd = os.memfd_create(name, os.MFD_CLOEXEC)
    os.write(fd, content)
    os.lseek(fd, 0, os.SEEK_SET)
    return fd
