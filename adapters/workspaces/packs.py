"""One pack per committed call: what changed, and the content that is new, each file a zstd frame of its own.

Layout: 8 bytes of magic, the header's length (4 bytes, little endian), the header (JSON in a zstd frame), the frames.
"""

import hashlib
import io
import json
import os
import shutil
import struct
import tempfile
from collections.abc import Iterator
from pathlib import Path
from types import TracebackType
from typing import IO, Self, cast

import zstandard
from pydantic import ValidationError

from domain.errors import StorageUnavailable
from domain.snapshot import FileEntry, Manifest, SnapshotRef
from domain.value import Value

MAGIC = b"perdure1"
START = struct.Struct("<8sI")
LEVEL = 1
CHUNK_BYTES = 1024**2
MEMORY_BYTES = 8 * 1024**2
"""A pack up to this size is never written to a local file."""


class PackHeader(Value):
    """An entry whose `pack` is "" has its content here."""

    snapshot: str
    base: str
    parent: SnapshotRef | None
    number: int
    delta: Manifest
    before: Manifest
    """What the base had where this call changed something for the first time."""
    whole: Manifest | None = None
    """Every 32nd pack: the manifest itself, and in `whole_before` all that the packs up to here say of the base."""
    whole_before: Manifest | None = None
    contents: dict[str, tuple[int, int]] = {}
    """By sha256: offset behind the header, and length there."""
    dropped: int = 0
    """Pipes, sockets and devices that the call left; they are not kept."""


class PackIndex(Value):
    """A header as read back, its entries with the address of their pack filled in."""

    address: str
    body: int
    """Where the frames begin."""
    header: PackHeader


class PackWriter:
    """Collects contents; memory is bounded whatever their size. Used in one thread."""

    def __init__(self, directory: Path) -> None:
        self.contents: dict[str, tuple[int, int]] = {}
        self._directory = directory
        self._compressor = zstandard.ZstdCompressor(level=LEVEL, write_checksum=True)
        self._body = tempfile.SpooledTemporaryFile(max_size=MEMORY_BYTES, dir=str(directory))  # noqa: SIM115 - closed in __exit__

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._body.close()

    def add(self, descriptor: int, size: int, known: FileEntry | None = None) -> tuple[str, int, bool]:
        """Hash and size of what an open file holds, and whether it is in this pack: `known` has it elsewhere."""
        if size <= CHUNK_BYTES:
            content = read_whole(descriptor, size)
            address = hashlib.sha256(content).hexdigest()
            if known is not None and known.hash == address:
                return address, len(content), False
            if address not in self.contents:
                self._keep(address, self._body.tell(), self._compressor.compress(content))
            return address, len(content), True
        offset = self._body.tell()
        digest = hashlib.sha256()
        length = 0
        stream = self._compressor.compressobj(size=-1)
        for chunk in read_chunks(descriptor):
            digest.update(chunk)
            length += len(chunk)
            self._body.write(stream.compress(chunk))
        self._body.write(stream.flush())
        address = digest.hexdigest()
        elsewhere = known is not None and known.hash == address
        if elsewhere or address in self.contents:
            self._body.seek(offset)
            self._body.truncate()
        else:
            self.contents[address] = (offset, self._body.tell() - offset)
        return address, length, not elsewhere

    def finish(self, header: PackHeader) -> tuple[bytes | Path, int]:
        """The pack, or the file that holds it, which the caller removes; and where its frames begin."""
        start = encode_header(header.model_copy(update={"contents": self.contents}))
        length = self._body.tell()
        self._body.seek(0)
        if length <= MEMORY_BYTES:
            return start + self._body.read(), len(start)
        descriptor, name = tempfile.mkstemp(prefix="pack-", dir=self._directory)
        with os.fdopen(descriptor, "wb") as file:
            file.write(start)
            shutil.copyfileobj(self._body, file, CHUNK_BYTES)
        return Path(name), len(start)

    def _keep(self, address: str, offset: int, frame: bytes) -> None:
        self._body.write(frame)
        self.contents[address] = (offset, len(frame))


def encode_header(header: PackHeader) -> bytes:
    # Not pydantic's own JSON: it refuses the surrogates that stand for bytes which are not UTF-8.
    text = json.dumps(header.model_dump(), separators=(",", ":"))
    packed = zstandard.ZstdCompressor(level=LEVEL, write_checksum=True).compress(text.encode())
    return START.pack(MAGIC, len(packed)) + packed


def header_length(start: bytes, address: str) -> int:
    """Bytes until the first frame; `start` is the beginning of a pack."""
    try:
        magic, length = START.unpack_from(start)
    except struct.error as error:
        raise damaged(address) from error
    if magic != MAGIC:
        raise damaged(address)
    return START.size + int(length)


def decode_header(start: bytes, address: str) -> PackIndex:
    body = header_length(start, address)
    try:
        with zstandard.ZstdDecompressor().stream_reader(start[START.size : body]) as stream:
            header = PackHeader.model_validate(json.loads(stream.read()))
    except (zstandard.ZstdError, ValueError, ValidationError) as error:
        raise damaged(address) from error
    return PackIndex(address=address, body=body, header=with_address(header, address))


def addresses_in(start: bytes, address: str) -> frozenset[str]:
    """The packs that a pack needs: its parent, and where the contents that it names lie."""
    body = header_length(start, address)
    try:
        with zstandard.ZstdDecompressor().stream_reader(start[START.size : body]) as stream:
            header = json.loads(stream.read())
        manifests = [header[name] or {} for name in ("delta", "before", "whole", "whole_before")]
        found = {entry.get("pack") for manifest in manifests for entry in manifest.values() if entry}
        found.add((header["parent"] or {}).get("pack"))
    except (zstandard.ZstdError, ValueError, KeyError, AttributeError) as error:
        raise damaged(address) from error
    return frozenset(str(pack) for pack in found if pack)


def with_address(header: PackHeader, address: str) -> PackHeader:
    manifests = {
        "delta": header.delta,
        "before": header.before,
        "whole": header.whole,
        "whole_before": header.whole_before,
    }
    filled = {name: filled_in(entries, address) for name, entries in manifests.items() if entries is not None}
    return header.model_copy(update=filled)


def filled_in(entries: Manifest, address: str) -> Manifest:
    """With the address of the pack where an entry says "here"."""
    return {
        path: entry.model_copy(update={"pack": address}) if isinstance(entry, FileEntry) and not entry.pack else entry
        for path, entry in entries.items()
    }


class _Section:
    """One frame of a source: zstandard's reader would go on into the next."""

    def __init__(self, source: IO[bytes], offset: int, length: int) -> None:
        source.seek(offset)
        self._source = source
        self._left = length

    def read(self, size: int) -> bytes:
        chunk = self._source.read(min(size, self._left))
        self._left -= len(chunk)
        return chunk


def unpack(source: IO[bytes], offset: int, length: int, address: str) -> Iterator[bytes]:
    """The content of one frame, in chunks, checked against its hash at the end."""
    digest = hashlib.sha256()
    section = _Section(source, offset, length)
    try:
        # The reader asks for no more than `read`; its stub asks for a whole file.
        with zstandard.ZstdDecompressor().stream_reader(cast("IO[bytes]", section), closefd=False) as stream:
            while chunk := stream.read(CHUNK_BYTES):
                digest.update(chunk)
                yield chunk
    except zstandard.ZstdError as error:
        raise damaged(address) from error
    if digest.hexdigest() != address:
        raise damaged(address)


def unpack_bytes(frame: bytes, address: str) -> bytes:
    return b"".join(unpack(io.BytesIO(frame), 0, len(frame), address))


def read_whole(descriptor: int, size: int) -> bytes:
    content = os.read(descriptor, size + 1)
    if len(content) == size:
        return content
    return content + b"".join(read_chunks(descriptor))


def read_chunks(descriptor: int) -> Iterator[bytes]:
    while chunk := os.read(descriptor, CHUNK_BYTES):
        yield chunk


def damaged(address: str) -> StorageUnavailable:
    return StorageUnavailable(f"The snapshot content {address} is damaged.", "Restore the blob store from a copy.")
