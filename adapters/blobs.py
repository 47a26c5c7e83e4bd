"""Content by its hash in a directory, S3, Google Cloud Storage, Azure or memory, by obstore."""

import asyncio
import contextlib
import hashlib
import os
import re
from collections.abc import AsyncGenerator, AsyncIterator, Mapping
from contextlib import asynccontextmanager
from datetime import datetime
from pathlib import Path
from typing import TYPE_CHECKING, BinaryIO
from urllib.parse import unquote, urlsplit

import obstore
from obstore import exceptions
from obstore.store import ObjectStore, from_url

from domain.errors import InvalidRequest, NotFound, OutOfSpace, PerdureError, StorageUnavailable

if TYPE_CHECKING:
    from obstore.store import ClientConfig, S3Config

CHUNK_BYTES = 4 * 1024**2
CONDEMNED = "condemned"
ADDRESS = re.compile(r"[0-9a-f]{2}/([0-9a-f]{64})")
FULL_DISK = ("os error 28)", "os error 122)")
"""ENOSPC and EDQUOT, as obstore words them."""
UNAVAILABLE = (
    exceptions.GenericError,
    exceptions.JoinError,
    exceptions.AlreadyExistsError,
    exceptions.PreconditionError,
    exceptions.NotModifiedError,
)
DENIED = (exceptions.PermissionDeniedError, exceptions.UnauthenticatedError)
MISSING = (FileNotFoundError,)
REFUSED = (
    exceptions.InvalidPathError,
    exceptions.NotSupportedError,
    exceptions.UnknownConfigurationKeyError,
    ValueError,
    TypeError,
)
BORDER = (exceptions.BaseError, OSError, ValueError, TypeError)


class ObjectBlobs:
    """`url` is file://, s3://, gs://, az:// or memory://. `s3` stands before the AWS_ variables."""

    def __init__(self, url: str, s3: "S3Config | None" = None) -> None:
        self._url = url
        self._directory = Path(unquote(urlsplit(url).path)) if url.startswith("file://") else None
        self._synced: set[str] = set()
        """Inner directories that are safe on disk themselves."""
        try:
            self._store = _open_store(url, self._directory, s3 or {})
        except BORDER as error:
            raise InvalidRequest(
                f"The blob store {url!r} cannot be used: {_first_line(error)}",
                "Set PERDURE_BLOBS_URL to file://, s3://, gs:// or az://.",
            ) from error

    async def put(self, content: bytes) -> str:
        if self._directory is not None:
            async with _border(str(self._directory), writing=True):
                return await asyncio.to_thread(self._put_here, content, self._directory)
        address = hashlib.sha256(content).hexdigest()
        async with _border(address, writing=True):
            await obstore.put_async(self._store, key_of(address), content)
        return address

    async def put_file(self, path: Path) -> str:
        """Streams: a file of any size takes a few megabytes of memory."""
        async with _border(str(path), writing=True):
            address = await asyncio.to_thread(hash_file, path)
            # A local copy may be torn by a power cut; a remote one is whole or not there.
            if self._directory is None and await self.keeps(address):
                return address
            await obstore.put_async(self._store, key_of(address), path, chunk_size=CHUNK_BYTES, max_concurrency=4)
            if self._directory is not None:
                await asyncio.to_thread(self._settle, address, self._directory)
        return address

    async def get(self, address: str) -> bytes:
        async with _border(address):
            answer = await obstore.get_async(self._store, key_of(address))
            content = bytes(await answer.bytes_async())
        _check(address, hashlib.sha256(content).hexdigest())
        return content

    async def get_range(self, address: str, start: int, length: int) -> bytes:
        """Fewer bytes where the blob ends before. Not checked against the address: who reads parts checks them."""
        async with _border(address):
            return bytes(await obstore.get_range_async(self._store, key_of(address), start=start, length=length))

    async def get_file(self, address: str, path: Path) -> None:
        part = path.with_name(f"{path.name}.part")
        async with _border(address):
            try:
                found = await self._download(address, part)
                _check(address, found)
                part.replace(path)
            finally:
                part.unlink(missing_ok=True)

    async def has(self, address: str) -> bool:
        return await self._is_there(key_of(address))

    async def keeps(self, address: str) -> bool:
        return await self.has(address) and not await self._is_there(condemned_key(address))

    async def listed(self) -> AsyncIterator[tuple[str, datetime]]:
        async with _border("list"):
            async for found in obstore.list(self._store):
                for one in found:
                    if match := ADDRESS.fullmatch(one["path"]):
                        yield str(match[1]), one["last_modified"]

    async def condemned(self) -> Mapping[str, datetime]:
        async with _border(CONDEMNED):
            pages = [page async for page in obstore.list(self._store, CONDEMNED)]
        return {one["path"].rpartition("/")[2]: one["last_modified"] for page in pages for one in page}

    async def condemn(self, address: str) -> None:
        async with _border(address, writing=True):
            await obstore.put_async(self._store, condemned_key(address), b"")

    async def spare(self, address: str) -> None:
        with contextlib.suppress(NotFound):
            async with _border(address):
                await obstore.delete_async(self._store, condemned_key(address))

    async def remove(self, address: str, last_put: datetime) -> bool:
        with contextlib.suppress(NotFound):
            async with _border(address):
                if (await obstore.head_async(self._store, key_of(address)))["last_modified"] >= last_put:
                    return False
                await obstore.delete_async(self._store, key_of(address))
        return True

    async def _is_there(self, key: str) -> bool:
        try:
            async with _border(key):
                await obstore.head_async(self._store, key)
        except NotFound:
            return False
        return True

    async def _download(self, address: str, part: Path) -> str:
        digest = hashlib.sha256()
        answer = await obstore.get_async(self._store, key_of(address))
        with part.open("wb") as file:
            async for chunk in answer.stream(min_chunk_size=CHUNK_BYTES):
                await asyncio.to_thread(_take, chunk, digest, file)
        return digest.hexdigest()

    def _put_here(self, content: bytes, directory: Path) -> str:
        address = hashlib.sha256(content).hexdigest()
        obstore.put(self._store, key_of(address), content)
        self._settle(address, directory)
        return address

    def _settle(self, address: str, directory: Path) -> None:
        """A directory keeps a blob through a power cut only after fsync; the other stores answer when it is safe."""
        file = directory / key_of(address)
        _sync(file, file.parent)
        if address[:2] not in self._synced:
            _sync(directory)
            self._synced.add(address[:2])


def key_of(address: str) -> str:
    return f"{address[:2]}/{address}"


def condemned_key(address: str) -> str:
    return f"{CONDEMNED}/{address}"


def hash_file(path: Path) -> str:
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


def translate(error: Exception, address: str, *, writing: bool = False) -> PerdureError:
    """What a vendor's failure means here."""
    text = _first_line(error)
    full = isinstance(error, OSError) and error.errno in {28, 122}
    if full or any(mark in str(error) for mark in FULL_DISK):
        return OutOfSpace(f"The blob store is full: {text}", "Free some space: the run then goes on.")
    if isinstance(error, MISSING) and not writing:
        return NotFound(f"The blob store has no {address}.")
    if isinstance(error, (*MISSING, *DENIED)):
        return StorageUnavailable(f"The blob store refused: {text}", "Check that it exists, and its credentials.")
    if isinstance(error, REFUSED):
        return InvalidRequest(f"The blob store cannot take {address!r}: {text}")
    return StorageUnavailable(f"The blob store did not answer: {text}")


@asynccontextmanager
async def _border(address: str, *, writing: bool = False) -> AsyncGenerator[None]:
    try:
        yield
    except BORDER as error:
        raise translate(error, address, writing=writing) from error


def _open_store(url: str, directory: Path | None, s3: "S3Config") -> ObjectStore:
    if directory is not None:
        # All that runs read and wrote lies here; an operator who made the directory decides who else may enter.
        directory.mkdir(parents=True, exist_ok=True, mode=0o700)
        return from_url(directory.as_uri())
    if url.startswith("memory:"):
        return from_url("memory:///")
    patience: ClientConfig = {"connect_timeout": "5s", "read_timeout": "30s", "timeout": "600s"}
    if s3.get("endpoint", "").startswith("http://"):
        patience["allow_http"] = True
    if url.startswith("s3"):
        return from_url(url, config=s3, client_options=patience, retry_config={"max_retries": 0})
    return from_url(url, client_options=patience, retry_config={"max_retries": 0})


def _check(address: str, found: str) -> None:
    if found != address:
        raise StorageUnavailable(
            f"The blob {address} is damaged: its content hashes to {found}.", "Restore it from a copy of the store."
        )


def _sync(*paths: Path) -> None:
    for path in paths:
        descriptor = os.open(path, os.O_RDONLY | os.O_CLOEXEC)
        try:
            os.fsync(descriptor)
        finally:
            os.close(descriptor)


def _take(chunk: bytes, digest: "hashlib._Hash", file: BinaryIO) -> None:
    digest.update(chunk)
    file.write(chunk)


def _first_line(error: Exception) -> str:
    return (str(error) or type(error).__name__).splitlines()[0][:300]
