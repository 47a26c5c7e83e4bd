"""A process that runs commands in the sandbox, to be killed.

`one_command.py <kind> <home> <token> <marks> [warm] [seconds]`
"""

import asyncio
import sys
from pathlib import Path

from adapters.sandboxes import make_sandbox
from domain.sandbox import WORKSPACE_PATH, Command, WritableMount
from tests.adapters.sandboxes.conftest import settings_for


async def main(kind: str, home: str, token: str, marks: str, warm: str = "", seconds: str = "120") -> None:
    sandbox = make_sandbox(settings_for(kind, Path(home)))
    await sandbox.prepare()
    mounts = (WritableMount(source=marks, target=WORKSPACE_PATH),)
    common = Command(
        argv=("true",),
        environment=sandbox.environment,
        mounts=mounts,
        run_id=token,
        name="survivor",
        timeout_seconds=float(seconds),
    )
    if warm:
        await sandbox.run(common)
    sys.stdout.write("prepared\n")
    sys.stdout.flush()
    sys.stdin.readline()
    text = f"touch begun; (setsid setsid sleep {token} &) & sleep {token} & setsid sh -c 'sleep {token}; true'"
    await sandbox.run(common.model_copy(update={"argv": ("sh", "-c", text)}))


asyncio.run(main(*sys.argv[1:]))
