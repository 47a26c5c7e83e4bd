"""A worker in a delegated group of version 2: `delegated.py <home> <controller>`. Prints what it could do there."""

import asyncio
import contextlib
import json
import os
import subprocess
import sys
import time
from pathlib import Path

from adapters.sandboxes.cgroups import pids_in
from adapters.sandboxes.delegation import find_cgroups
from domain.sandbox import SandboxLimits


def main(home: str, controller: str) -> None:
    cgroups = find_cgroups(Path(home), (controller,))
    assert cgroups is not None
    command = ["sh", "-c", "read _; setsid sleep 60 & setsid setsid sleep 60 & wait"]
    child = subprocess.Popen(command, stdin=subprocess.PIPE)
    group = cgroups.make("one", SandboxLimits())
    group.join(child.pid)
    assert child.stdin is not None
    child.stdin.write(b"\n")
    child.stdin.close()
    (directory,) = cgroups.controllers[0].parent.glob("*-one")
    for _ in range(100):
        if len(pids_in(directory)) == 3:
            break
        time.sleep(0.05)
    found = {"unified": cgroups.controllers[0].unified, "joined": len(pids_in(directory)), "oom": group.out_of_memory()}
    (directory / "cgroup.kill").write_text("1")
    found["killed"] = child.wait()
    asyncio.run(group.remove())
    again = find_cgroups(Path(home), (controller,))
    found |= {"left": directory.exists(), "again": again is not None and again.controllers == cgroups.controllers}
    line = next(line for line in Path("/proc/self/cgroup").read_text().splitlines() if line.startswith("0::"))
    sys.stdout.write(json.dumps(found | {"uid": os.geteuid(), "place": line.removeprefix("0::")}))
    with contextlib.suppress(OSError):
        cgroups.controllers[0].parent.rmdir()


main(*sys.argv[1:])
