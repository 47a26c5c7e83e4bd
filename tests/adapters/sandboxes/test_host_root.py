"""The host's root is passed on entry by entry where a mount point has to be made, so that none is made on the host."""

from pathlib import Path

import pytest

from adapters.sandboxes.host_root import host_arguments
from domain.sandbox import ReadOnlyMount


@pytest.fixture
def root(folder: Path) -> Path:
    for name in ("usr/bin", "data/homes/ada", "opt/tool", "tmp", "outputs/old"):
        (folder / name).mkdir(parents=True)
    (folder / "bin").symlink_to("usr/bin")
    (folder / "home").symlink_to("data/homes")
    return folder


def lines(root: Path) -> list[str]:
    mounts = (ReadOnlyMount(source="/x", target="/outputs/1"), ReadOnlyMount(source="/x", target="/mirror"))
    words = " ".join(host_arguments(mounts, ("/opt/perdure/toolchain",), "m", root)).replace(str(root), "")
    return words.replace(" --", "\n--").splitlines()


def test_what_no_mount_touches_is_bound_or_linked_whole(root: Path) -> None:
    assert {"--dev-bind-try /usr /usr", "--symlink usr/bin /bin", "--dev-bind-try /data /data"} <= set(lines(root))


def test_above_a_mount_point_are_directories_of_the_commands_own(root: Path) -> None:
    found = lines(root)
    for directory, entry in (("/opt", "/opt/tool"), ("/home", "/home/ada"), ("/outputs", "/outputs/old")):
        assert found[found.index(f"--dir {directory}") + 1] == f"--dev-bind-try {entry} {entry}"


def test_a_mount_point_is_left_to_the_mount(root: Path) -> None:
    assert not any(line.endswith((" /tmp", " /mirror", " /workspace")) for line in lines(root))
    assert lines(root)[-1] == "--dir /.perdure/m"
