"""The filters that are shipped are the ones that the source says."""

import ctypes.util
import tempfile
from pathlib import Path

import pytest

from adapters.sandboxes import seccomp


@pytest.mark.parametrize("machine", ["x86_64", "aarch64"])
def test_the_shipped_filter_is_up_to_date(machine: str) -> None:
    if not ctypes.util.find_library("seccomp"):
        pytest.skip("libseccomp is not on this machine")
    from adapters.sandboxes.seccomp.build import compile_filter

    with tempfile.TemporaryFile() as target:
        compile_filter(machine, target)
        target.seek(0)
        made = target.read()
    shipped = Path(seccomp.__path__[0], f"{machine}.bpf").read_bytes()
    assert made == shipped


def test_this_machine_has_one() -> None:
    assert len(seccomp.load_filter()) % 8 == 0
