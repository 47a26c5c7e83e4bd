"""The only way out of a sandbox: a proxy on a UNIX socket, made for one command and gone with it."""

import asyncio
import contextlib
import os
import shutil
import socket
import struct
import tempfile
from collections.abc import AsyncGenerator, Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import asynccontextmanager
from functools import partial
from pathlib import Path

from adapters.network import forward
from adapters.network.tunnel import EgressLimits, Passage, Resolve, Tunnel
from domain.network import AllowedHost, Connection
from domain.sandbox import PROXY_FORWARDER_PATH, PROXY_SOCKET_PATH

FORWARDER = Path(forward.__file__)
CREDENTIALS = struct.Struct("3i")
LOOKUPS = ThreadPoolExecutor(16, "lookup")
"""Of their own: names that answer late must not keep the worker's other threads from their work."""


async def resolve(host: str, port: int) -> Sequence[str]:
    """As this host knows the name: its resolvers, its /etc/hosts."""
    loop = asyncio.get_running_loop()
    found = await loop.run_in_executor(LOOKUPS, partial(socket.getaddrinfo, host, port, type=socket.SOCK_STREAM))
    return [str(address[0]) for *_, address in found]


class EgressProxy:
    """Implements domain.ports.Egress. `user` is whose commands may use it, where that is not this process's user."""

    def __init__(
        self,
        worker_home: Path,
        user: int | None = None,
        resolve: Resolve = resolve,
        limits: EgressLimits | None = None,
    ) -> None:
        self._home = worker_home.absolute() / "network"
        self._user = user
        self._resolve = resolve
        self._limits = limits or EgressLimits()

    @asynccontextmanager
    async def open(
        self, hosts: Sequence[AllowedHost], on_connection: Callable[[Connection], None]
    ) -> AsyncGenerator[str]:
        """The socket's path, in a directory that is mounted where commands look for it (PROXY_SOCKET_PATH)."""
        directory = await asyncio.to_thread(self._make_directory)
        try:
            with self._listen(directory) as listener:
                passage = Passage(hosts, self._limits, self._resolve, on_connection)
                accepting = asyncio.create_task(self._accept(listener, passage))
                try:
                    yield str(directory / Path(PROXY_SOCKET_PATH).name)
                finally:
                    accepting.cancel()
                    with contextlib.suppress(asyncio.CancelledError):
                        await accepting
        finally:
            await asyncio.to_thread(shutil.rmtree, directory, ignore_errors=True)

    def sweep(self) -> None:
        """At start: removes what a dead worker left."""
        shutil.rmtree(self._home, ignore_errors=True)

    def _make_directory(self) -> Path:
        self._home.mkdir(mode=0o711, parents=True, exist_ok=True)
        directory = Path(tempfile.mkdtemp(dir=self._home))
        directory.chmod(0o711)
        place = directory / Path(PROXY_FORWARDER_PATH).name
        shutil.copyfile(FORWARDER, place)
        place.chmod(0o644)
        return directory

    def _listen(self, directory: Path) -> socket.socket:
        listener = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM | socket.SOCK_NONBLOCK)
        place = directory / Path(PROXY_SOCKET_PATH).name
        folder = os.open(directory, os.O_PATH | os.O_DIRECTORY)
        try:
            # A socket's path has 107 bytes at most, and a home may be deep.
            listener.bind(f"/proc/self/fd/{folder}/{place.name}")
            place.chmod(0o600)
            if self._user is not None:
                os.chown(place, self._user, self._user)
            listener.listen(self._limits.at_once)
        except BaseException:
            listener.close()
            raise
        finally:
            os.close(folder)
        return listener

    async def _accept(self, listener: socket.socket, passage: Passage) -> None:
        """Takes no more than it serves; the rest waits in the kernel, where it costs this process nothing."""
        loop = asyncio.get_running_loop()
        room = asyncio.Semaphore(self._limits.at_once)
        serving: set[asyncio.Task[None]] = set()
        try:
            while True:
                await room.acquire()
                try:
                    peer, _ = await loop.sock_accept(listener)
                except OSError:
                    room.release()
                    await asyncio.sleep(0.1)
                    continue
                task = asyncio.create_task(self._serve(peer, passage))
                serving.add(task)
                task.add_done_callback(partial(self._served, serving, room, peer))
        finally:
            for task in serving:
                task.cancel()
            await asyncio.gather(*serving, return_exceptions=True)

    @staticmethod
    def _served(
        serving: set[asyncio.Task[None]], room: asyncio.Semaphore, peer: socket.socket, task: asyncio.Task[None]
    ) -> None:
        serving.discard(task)
        room.release()
        peer.close()

    async def _serve(self, peer: socket.socket, passage: Passage) -> None:
        _, user, _ = CREDENTIALS.unpack(peer.getsockopt(socket.SOL_SOCKET, socket.SO_PEERCRED, CREDENTIALS.size))
        if user not in (self._user, os.geteuid()):
            peer.close()
            return
        reader, writer = await asyncio.open_unix_connection(sock=peer, limit=self._limits.head_bytes)
        writer.transport.set_write_buffer_limits(high=0)
        await Tunnel(passage, reader, writer).run()
