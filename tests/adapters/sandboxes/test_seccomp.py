"""The filters that are shipped are the ones that the source says."""

import ctypes.util
import json
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


def test_dockers_profile_allows_nothing_that_is_refused() -> None:
    if not ctypes.util.find_library("seccomp"):
        pytest.skip("libseccomp is not on this machine")
    from adapters.sandboxes.seccomp.build import ABSENT, REFUSED, REFUSED_ON_X86
    from adapters.sandboxes.seccomp.profile import JUDGED, rules

    shipped = json.loads(seccomp.docker_profile())
    assert shipped["defaultAction"] == "SCMP_ACT_ERRNO"
    # The first names all that libseccomp knows, which is more with each of its releases.
    assert shipped["syscalls"][1:] == list(rules())[1:]
    allowed = set(shipped["syscalls"][0]["names"])
    assert not allowed & {*REFUSED.split(), *REFUSED_ON_X86.split(), *ABSENT.split(), *JUDGED}
    assert {"read", "openat", "execve", "futex"} <= allowed


def test_dockers_profile_refuses_terminal_input_whatever_its_high_bits() -> None:
    rules = [rule for rule in json.loads(seccomp.docker_profile())["syscalls"] if rule["names"] == ["ioctl"]]
    conditions = [condition for rule in rules for condition in rule["args"]]
    assert {condition["op"] for condition in conditions} == {"SCMP_CMP_MASKED_EQ"}

    def allowed(request: int) -> bool:
        return any(request & condition["value"] == condition["valueTwo"] for condition in conditions)

    refused = (0x5412, 0x541C)
    assert [number for number in range(0x10000) if not allowed(number)] == list(refused)
    assert not any(allowed(number | high << 32) for number in refused for high in (1, 0xFFFFFFFF))
    assert allowed(0x8000_5412)
