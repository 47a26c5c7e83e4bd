"""Workers to be killed, one for each line on standard input: `many_workers.py <kind> <home> <token> <marks> <image>`.

Forked, as 200 that each start from nothing take minutes. A worker says its process id when it is ready, waits for a
signal, and says a dot the moment before it starts a command. With one argument more, `at-go`, it kills itself in the
moment in which it lets the command go."""

import asyncio
import os
import signal
import sys
from pathlib import Path

from adapters.sandboxes.bubblewrap import BubblewrapSandbox
from adapters.sandboxes.child import Child
from adapters.sandboxes.docker import DockerSandbox
from domain.sandbox import WORKSPACE_PATH, Command, WritableMount
from tests.adapters.sandboxes.conftest import AGENT_UID


async def work(sandbox: BubblewrapSandbox | DockerSandbox, token: str, marks: str, image: str) -> None:
    await sandbox.prepare()
    text = f"touch begun; (setsid setsid sleep {token} &) & sleep {token} & setsid sh -c 'sleep {token}; true'"
    mounts = (WritableMount(source=marks, target=WORKSPACE_PATH),)
    command = Command(
        argv=("sh", "-c", text),
        environment=sandbox.environment,
        mounts=mounts,
        name=f"many-{os.getpid()}",
        run_id=f"many-{os.getpid()}",
        image=image or None,
    )
    go = asyncio.Event()
    asyncio.get_running_loop().add_signal_handler(signal.SIGUSR1, go.set)
    os.write(1, f"{os.getpid()}\n".encode())
    await go.wait()
    os.write(1, b".\n")
    await sandbox.run(command)


let_go = Child.go


def die_at_go(self: Child, stdin: bytes) -> None:
    let_go(self, stdin)
    os.kill(os.getpid(), signal.SIGKILL)


def main(kind: str, home: str, token: str, marks: str, image: str, moment: str = "") -> None:
    walls: BubblewrapSandbox | DockerSandbox = BubblewrapSandbox(Path(home), AGENT_UID)
    if kind == "bubblewrap":
        asyncio.run(walls.prepare())
    for _ in sys.stdin:
        if os.fork() == 0:
            if moment == "at-go":
                Child.go = die_at_go
            # The threads that speak to Docker's engine would not come along.
            own = DockerSandbox(Path(home), AGENT_UID, None) if kind == "docker" else walls
            asyncio.run(work(own, token, marks, image))
            os._exit(0)
        os.wait()


main(*sys.argv[1:])
