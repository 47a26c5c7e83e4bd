"""A process that runs commands in the sandbox, to be killed: `one_command.py <kind> <home> <token> <marks>`."""

import asyncio
import sys
from pathlib import Path

from adapters.sandboxes import make_sandbox
from domain.sandbox import WORKSPACE_PATH, Command, WritableMount
from tests.adapters.sandboxes.conftest import settings_for


async def main(kind: str, home: str, token: str, marks: str) -> None:
    sandbox = make_sandbox(settings_for(kind, Path(home)))
    await sandbox.prepare()
    sys.stdout.write("prepared\n")
    sys.stdout.flush()
    sys.stdin.readline()
    text = f"touch begun; (setsid setsid sleep {token} &) & sleep {token} & setsid sh -c 'sleep {token}; true'"
    mounts = (WritableMount(source=marks, target=WORKSPACE_PATH),)
    command = Command(argv=("sh", "-c", text), environment=sandbox.environment, mounts=mounts, name="survivor")
    await sandbox.run(command)


asyncio.run(main(*sys.argv[1:]))
