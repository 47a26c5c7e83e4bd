"""Runs in the sandbox: leads a port of its loopback to the proxy's socket for as long as a command runs.

`forward.py PORT SOCKET COMMAND...` becomes the command. Only the standard library, any Python from 3.7 on.
"""

from __future__ import annotations

import contextlib
import os
import select
import signal
import socket
import sys

CHUNK = 64 * 1024
AT_ONCE = 64
IN = select.POLLIN | select.POLLHUP | select.POLLERR


class Flow:
    """One direction of one connection."""

    def __init__(self, source: socket.socket, sink: socket.socket) -> None:
        self.source, self.sink = source, sink
        self.waiting = b""
        self.over = False
        self.shut = False

    def wants(self) -> list[tuple[int, int]]:
        if self.waiting:
            return [(self.sink.fileno(), select.POLLOUT)]
        return [] if self.over else [(self.source.fileno(), IN)]

    def move(self, ready: dict[int, int]) -> None:
        if not self.waiting and not self.over and self.source.fileno() in ready:
            self._take()
        if self.waiting:
            self._give()
        if self.over and not self.waiting and not self.shut:
            self.shut = True
            with contextlib.suppress(OSError):
                self.sink.shutdown(socket.SHUT_WR)

    def _take(self) -> None:
        try:
            chunk = self.source.recv(CHUNK)
        except BlockingIOError:
            return
        except OSError:
            chunk = b""
        self.over = not chunk
        if not self.shut:  # what nobody takes any more is read and dropped
            self.waiting = chunk

    def _give(self) -> None:
        try:
            self.waiting = self.waiting[self.sink.send(self.waiting) :]
        except BlockingIOError:
            pass
        except OSError:
            self.waiting, self.shut = b"", True


def serve(listener: socket.socket, path: str, command: int, pidfd: int | None) -> None:
    """Until the command has ended."""
    flows = []  # type: list[tuple[Flow, Flow]]
    listener.setblocking(False)
    while True:
        poll = select.poll()
        wanted = {}  # type: dict[int, int]
        if len(flows) < AT_ONCE:
            wanted[listener.fileno()] = IN
        if pidfd is not None:
            wanted[pidfd] = IN
        for flow in [flow for pair in flows for flow in pair]:
            for fd, event in flow.wants():
                wanted[fd] = wanted.get(fd, 0) | event
        for fd, event in wanted.items():
            poll.register(fd, event)
        ready = dict(poll.poll(1000))
        if (pidfd in ready) if pidfd is not None else not alive(command):
            return
        for flow in [flow for pair in flows for flow in pair]:
            flow.move(ready)
        for pair in [pair for pair in flows if pair[0].shut and pair[1].shut]:
            flows.remove(pair)
            pair[0].source.close()
            pair[0].sink.close()
        if listener.fileno() in ready:
            flows += accepted(listener, path)


def alive(process: int) -> bool:
    try:
        os.kill(process, 0)
    except ProcessLookupError:
        return False
    return True


def accepted(listener: socket.socket, path: str) -> list[tuple[Flow, Flow]]:
    try:
        client, _ = listener.accept()
    except OSError:
        return []
    proxy = socket.socket(socket.AF_UNIX)
    client.setblocking(False)
    proxy.setblocking(False)
    try:
        proxy.connect(path)
    except OSError:
        client.close()
        proxy.close()
        return []
    return [(Flow(client, proxy), Flow(proxy, client))]


def detach(kept: list[int]) -> None:
    """Nothing of the command's: not its session, not its streams."""
    os.setsid()
    nothing = os.open(os.devnull, os.O_RDWR)
    for fd in (0, 1, 2):
        os.dup2(nothing, fd)
    low = 3
    for fd in [*sorted(kept), 65536]:
        os.closerange(low, fd)
        low = fd + 1


def main(port: int, path: str, argv: list[str]) -> None:
    listener = socket.socket()
    listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
    listener.bind(("127.0.0.1", port))
    listener.listen(AT_ONCE)
    command = os.getpid()
    try:
        pidfd = os.pidfd_open(command)  # type: int | None
    except (AttributeError, OSError):
        pidfd = None
    if os.fork() == 0:
        # A grandchild: a command that waits for all of its children does not wait for this one.
        if os.fork() == 0:
            detach([listener.fileno()] + ([] if pidfd is None else [pidfd]))
            serve(listener, path, command, pidfd)
        os._exit(0)
    os.wait()
    for number in (signal.SIGPIPE, signal.SIGXFSZ):  # Python ignores these, and what it becomes would go on doing so
        signal.signal(number, signal.SIG_DFL)
    try:
        os.execvp(argv[0], argv)  # noqa: S606  the command, as it was given
    except OSError as error:
        gone = isinstance(error, (FileNotFoundError, NotADirectoryError))
        fail(f"{argv[0]}: {error.strerror}", 127 if gone else 126)


def fail(text: str, code: int) -> None:
    sys.stderr.write(f"{text}\n")
    sys.stderr.flush()
    os._exit(code)


if __name__ == "__main__":
    try:
        main(int(sys.argv[1]), sys.argv[2], sys.argv[3:])
    except OSError as error:
        fail(f"perdure: the way to the network could not be opened: {error}", 125)
