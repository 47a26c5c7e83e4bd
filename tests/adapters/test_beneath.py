"""Nothing outside of a directory is opened, nothing waits, and what is written replaces and follows nothing."""

import errno
import os
import socket
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from adapters.beneath import FOLDER, PLACE, READ, open_beneath, open_folder, open_plain, read_file, write_file

LIMIT = 1024


@pytest.fixture
def planted(tmp_path: Path) -> Iterator[int]:
    """A directory as an agent may leave it, beside one with a secret in it."""
    outside, tree = tmp_path / "outside", tmp_path / "tree"
    outside.mkdir()
    (outside / "secret").write_text("secret")
    (tree / "a" / "b").mkdir(parents=True)
    (tree / "a" / "b" / "file").write_text("inside")
    for name, target in {
        "passwd": "/etc/passwd",
        "environ": "/proc/self/environ",
        "root": "/proc/self/root",
        "up": "../outside",
        "far": "../" * 40 + "etc/passwd",
        "dir": "a",
        "loop": "loop",
    }.items():
        (tree / name).symlink_to(target)
    os.mkfifo(tree / "pipe")
    listener = socket.socket(socket.AF_UNIX)
    listener.bind(str(tree / "socket"))
    listener.close()
    with (tree / "huge").open("wb") as file:
        # As much as the file system takes: 1 TiB where it can.
        for size in (1024**4, 1024**3):
            try:
                file.truncate(size)
                break
            except OSError:
                continue
    folder = os.open(tree, os.O_RDONLY)
    yield folder
    os.close(folder)


def errno_of(folder: int, path: str) -> int | None:
    with pytest.raises(OSError, match=r"\[Errno") as raised:
        read_file(folder, path, LIMIT)
    return raised.value.errno


def test_files_beneath_are_read(planted: int) -> None:
    assert read_file(planted, "a/b/file", LIMIT) == b"inside"
    inner = open_folder(planted, "a/b")
    assert read_file(inner, "file", 6) == b"inside"
    os.close(inner)


@pytest.mark.parametrize(
    "path", ["passwd", "environ", "root/etc/passwd", "up/secret", "far", "dir/b/file", "loop", "up"]
)
def test_no_link_is_followed_at_any_place(planted: int, path: str) -> None:
    assert errno_of(planted, path) == errno.ELOOP


@pytest.mark.parametrize("path", ["..", "../outside/secret", "/etc/passwd", "a/../../outside/secret", "a/b/../../.."])
def test_no_path_leads_out(planted: int, path: str) -> None:
    assert errno_of(planted, path) == errno.EXDEV


@pytest.mark.parametrize("path", ["pipe", "a", "socket"])
def test_only_regular_files_are_read_and_nothing_is_waited_for(planted: int, path: str) -> None:
    began = time.monotonic()
    assert errno_of(planted, path) in {errno.EINVAL, errno.ENXIO}
    assert time.monotonic() - began < 1


def test_no_device_is_read(planted: int) -> None:
    devices = os.open("/dev", os.O_RDONLY)
    assert errno_of(devices, "zero") == errno.EINVAL
    os.close(devices)


def test_sizes_are_capped_before_anything_is_read(planted: int) -> None:
    assert errno_of(planted, "huge") == errno.EFBIG
    with pytest.raises(OSError, match="too large"):
        open_plain(planted, "a/b/file", 5)


def test_what_is_not_there_or_is_no_name_says_so(planted: int) -> None:
    assert errno_of(planted, "none") == errno.ENOENT
    assert errno_of(planted, "n\0ne") == errno.EINVAL
    with pytest.raises(NotADirectoryError):
        open_folder(planted, "dir")
    with pytest.raises(OSError, match=r"\[Errno"):
        open_beneath(planted, "passwd", FOLDER)
    link = open_beneath(planted, "passwd", PLACE)
    with pytest.raises(OSError, match="Bad file descriptor"):
        os.read(link, 1)
    os.close(link)


@pytest.mark.parametrize("name", ["-rf", "new\nline", "\udcff\udcfe", " ", "a\\b", "\u202egpj.exe"])
def test_hostile_names_are_names(planted: int, name: str) -> None:
    write_file(planted, f"a/{name}", b"x")
    assert read_file(planted, f"a/{name}", LIMIT) == b"x"


def test_writing_replaces_a_link_and_never_goes_through_it(planted: int, tmp_path: Path) -> None:
    (tmp_path / "tree" / "link").symlink_to(tmp_path / "outside" / "secret")
    write_file(planted, "link", b"mine" * 1000, mode=0o640)
    assert (tmp_path / "outside" / "secret").read_text() == "secret"
    assert read_file(planted, "link", 4000) == b"mine" * 1000
    assert (tmp_path / "tree" / "link").stat().st_mode & 0o777 == 0o640
    write_file(planted, "pipe", b"no pipe")
    for path in ("up/new", "dir/new", "../new", "none/new"):
        with pytest.raises(OSError, match=r"\[Errno"):
            write_file(planted, path, b"x")
    with pytest.raises(IsADirectoryError):
        write_file(planted, "a", b"x")
    assert sorted(path.name for path in (tmp_path / "outside").iterdir()) == ["secret"]
    assert not list((tmp_path / "tree").glob(".*.part"))


def test_reading_costs_microseconds_and_leaks_no_descriptor(planted: int) -> None:
    before = len(list(Path("/proc/self/fd").iterdir()))
    began = time.perf_counter()
    for _ in range(2000):
        read_file(planted, "a/b/file", LIMIT)
    # About 7 in quiet; wide, for machines that are shared.
    assert (time.perf_counter() - began) / 2000 < 200e-6
    for path in ("passwd", "huge", "pipe"):
        errno_of(planted, path)
    assert len(list(Path("/proc/self/fd").iterdir())) == before
    descriptor = open_beneath(planted, "a/b/file", READ)
    assert not os.get_inheritable(descriptor)
    os.close(descriptor)
