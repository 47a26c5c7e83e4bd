"""A command in a container: what its first process does, and its stream."""

import asyncio
import os
import shlex
import socket
from collections.abc import Sequence

import docker
from docker.errors import NotFound

from adapters.sandboxes.child import deadline
from adapters.sandboxes.docker_engine import Engine
from adapters.sandboxes.docker_frames import Frames
from adapters.sandboxes.pipes import Reader, Writer
from adapters.sandboxes.process import DRAIN_SECONDS, GO, Process
from domain.errors import ModelMistake, SandboxUnavailable
from domain.sandbox import Command

KILLED = 137
LONGEST_WORD, LONGEST = 128 * 1024 - 1, 2_000_000
"""Linux takes no longer argument, and no more of arguments and environment together."""


def first_process(command: Command, writable: Sequence[str]) -> str:
    """Shell text: shakes hands, runs the command under a deadline, then ends whatever it left and empties `writable`.

    All of it as the agent's user: the container's own processes have another, and outlive this."""
    streams = "3>&9 2>&1" if command.report else "2>&9" if command.split_error else "2>&1"
    places = " ".join(f"{place}/..?* {place}/.[!.]* {place}/*" for place in writable)
    clear = f'for left in {places}; do if [ -e "$left" ] || [ -L "$left" ]; then rm -rf -- "$left"; fi; done; '
    return (
        f'umask 022; cd -- {shlex.quote(command.cwd)} 2>/dev/null || {{ echo "Can\'t chdir to it"; exit 126; }}; '
        # The shell's own words, such as of a child's signal, are not the command's.
        f"echo r; IFS= read -r _ || exit 125; exec 9>&2 2>/dev/null; "
        f'{deadline(command)} "$@" {streams} 9>&-; code=$?; kill -9 -1; {clear if places else ""}exit "$code"'
    )


def arguments(command: Command, marker: str, writable: Sequence[str]) -> list[str]:
    """`marker` tells others whose this is. The environment is of exactly what is given, whatever the image says."""
    variables = [f"{name}={value}" for name, value in command.environment.items()]
    words = [marker, "/usr/bin/env", "-i", "--", *variables, *command.argv]
    refuse_unstartable(words)
    return ["/bin/sh", "-c", first_process(command, writable), *words]


def refuse_unstartable(words: Sequence[str]) -> None:
    """What the kernel would refuse is the model's mistake, and is known before anything starts."""
    encoded = [os.fsencode(word) for word in words]
    if any(b"\0" in word for word in encoded):
        reason = "embedded null byte"
    elif sum(map(len, encoded)) > LONGEST or max(map(len, encoded)) > LONGEST_WORD:
        reason = "argument list too long"
    else:
        return
    raise ModelMistake(f"The command cannot be started: {reason}", "Put long text into a file, without NUL bytes.")


class _Input(Writer):
    """Closing it is the end of the command's input; what comes back still comes."""

    def __init__(self, stream: socket.socket) -> None:
        self._stream = stream
        super().__init__(stream.fileno())

    def _end(self, fd: int) -> None:  # noqa: ARG002  the socket knows its own
        try:
            self._stream.shutdown(socket.SHUT_WR)
        finally:
            self._stream.close()


class Exec(Process):
    """Made by `start_exec`."""

    def __init__(self, command: Command, engine: Engine, exec_id: str, stream: socket.socket, early: bytes) -> None:
        super().__init__(command)
        self._engine = engine
        self._id = exec_id
        self.code: int | None = None
        """Known after `settled`, where the engine knows it."""
        frames = Frames({1: self._take_output, 2: self._take_second})
        self._stdin = _Input(stream.dup())
        self._reader = Reader(stream.detach(), frames.feed)
        frames.feed(early)

    def go(self, stdin: bytes) -> None:
        self._stdin.send_and_close(GO + stdin)

    @property
    def over(self) -> bool:
        return self._reader.ended.done()

    async def ended(self) -> None:
        """The stream ends with the last process that holds it, and the first process ends all others."""
        await asyncio.wait([self._reader.ended])

    async def settled(self) -> int | None:
        """The exit code, once the stream is over; None where the container went with its command."""
        self.code = await self._engine.ask(self._ask_code)
        return self.code

    def _ask_code(self, client: docker.APIClient) -> int | None:
        try:
            found = client.exec_inspect(self._id)
        except NotFound:
            return None
        return None if found["Running"] or found["ExitCode"] is None else int(found["ExitCode"])

    async def _drain(self) -> None:
        await self._reader.drain(DRAIN_SECONDS)

    async def close(self) -> int:
        self._stdin.close()
        await self._heard_all()
        if self.code is None:
            raise SandboxUnavailable("The container was lost while the command ran in it.")
        return self.code

    def abandon(self) -> None:
        self._reader.close()
        self._stdin.close()
        self.output.close()


async def start_exec(engine: Engine, container: str, user: str, command: Command, words: Sequence[str]) -> Exec:
    """`words` are of `arguments`. It waits for `go`."""

    def create(client: docker.APIClient) -> str:
        return str(client.exec_create(container, list(words), stdin=True, user=user, workdir="/")["Id"])

    exec_id = await engine.ask(create)
    stream, early = await engine.stream(f"/exec/{exec_id}/start", {"Detach": False, "Tty": False})
    return Exec(command, engine, exec_id, stream, early)
