"""Packs hold files of any size in little memory, each readable by itself."""

import hashlib
import os
import tracemalloc
from pathlib import Path

import pytest

from adapters.workspaces.packs import MEMORY_BYTES, PackHeader, PackWriter, decode_header, unpack
from domain.errors import StorageUnavailable
from domain.snapshot import FileEntry, LinkEntry, SnapshotRef


def header(**more: object) -> PackHeader:
    return PackHeader(snapshot="s", base="b", parent=None, number=1, delta={}, before={}).model_copy(update=more)


def add(writer: PackWriter, path: Path, known: FileEntry | None = None) -> tuple[str, int, bool]:
    descriptor = os.open(path, os.O_RDONLY)
    try:
        return writer.add(descriptor, path.stat().st_size, known)
    finally:
        os.close(descriptor)


def test_small_and_large_files_come_back_from_one_pack(tmp_path: Path) -> None:
    contents = [b"", b"small", os.urandom(3_000_000), b"\0" * 20_000_000, b"small", os.urandom(7_000_000)]
    with PackWriter(tmp_path) as writer:
        hashes = []
        for number, content in enumerate(contents):
            (tmp_path / str(number)).write_bytes(content)
            hashes.append(add(writer, tmp_path / str(number))[0])
        pack, body = writer.finish(header())
    assert isinstance(pack, Path)
    assert pack.stat().st_size > MEMORY_BYTES
    index = decode_header(pack.read_bytes(), "address")
    assert index.body == body
    assert len(index.header.contents) == 5
    with pack.open("rb") as file:
        for content, address in reversed(list(zip(contents, hashes, strict=True))):
            assert address == hashlib.sha256(content).hexdigest()
            offset, length = index.header.contents[address]
            assert b"".join(unpack(file, body + offset, length, address)) == content
            with pytest.raises(StorageUnavailable, match="damaged"):
                list(unpack(file, body + offset, length, "0" * 64))


def test_half_a_gigabyte_is_never_in_memory(tmp_path: Path) -> None:
    large = tmp_path / "large"
    with large.open("wb") as file:
        file.write(os.urandom(12_000_000))
        file.truncate(2**29)
    tracemalloc.start()
    with PackWriter(tmp_path) as writer:
        address, size, _ = add(writer, large)
        pack, body = writer.finish(header())
    assert isinstance(pack, Path)
    offset, length = writer.contents[address]
    with pack.open("rb") as file:
        assert sum(len(chunk) for chunk in unpack(file, body + offset, length, address)) == size == 2**29
    peak = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    assert peak < 40 * 1024**2


@pytest.mark.parametrize("size", [10, 2_000_000])
def test_content_that_is_stored_elsewhere_is_not_stored_again(tmp_path: Path, size: int) -> None:
    (tmp_path / "file").write_bytes(b"x" * size)
    known = FileEntry(mode=0, size=size, hash=hashlib.sha256(b"x" * size).hexdigest(), pack="elsewhere")
    with PackWriter(tmp_path) as writer:
        assert add(writer, tmp_path / "file", known) == (known.hash, size, False)
        assert writer.contents == {}
        assert add(writer, tmp_path / "file") == (known.hash, size, True)
        pack, _ = writer.finish(header())
    assert isinstance(pack, bytes)
    assert set(decode_header(pack, "a").header.contents) == {known.hash}


def test_a_header_keeps_names_that_are_not_text(tmp_path: Path) -> None:
    delta = {"workspace/\udcff\n": LinkEntry(target="\udcfe"), "f": FileEntry(mode=1, size=2, hash="h", pack="")}
    parent = SnapshotRef(id="i", base="b", pack="p", number=3)
    with PackWriter(tmp_path) as writer:
        pack, _ = writer.finish(header(delta=delta, parent=parent, whole=delta))
    assert isinstance(pack, bytes)
    found = decode_header(pack, "address").header
    assert found.delta["workspace/\udcff\n"] == delta["workspace/\udcff\n"]
    assert found.delta["f"] == FileEntry(mode=1, size=2, hash="h", pack="address")
    assert found.whole == found.delta
    assert found.parent == parent


@pytest.mark.parametrize("content", [b"", b"perdure1", b"perdure1\xff\xff\xff\xff", b"another!" + bytes(100)])
def test_what_is_no_pack_is_refused(content: bytes) -> None:
    with pytest.raises(StorageUnavailable, match="damaged"):
        decode_header(content, "address")
