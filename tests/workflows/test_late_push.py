"""A worker that hangs in the middle of a push, and comes back when another has made it: the branch stays as it is."""

import asyncio
import signal

from tests.fixtures.git_server import git
from tests.fixtures.stack import Stack
from tests.workflows.fates import serving
from tests.workflows.scripts import BROKEN, MEND

SLOW_HOOK = "#!/bin/sh\nsleep 3\n"


async def test_a_push_that_comes_back_late_changes_nothing(stack: Stack) -> None:
    stack.scripted.add("mend", MEND)
    url = stack.repository("late", BROKEN)
    bare = stack.remote.root / "late.git"
    hook = bare / "hooks" / "pre-receive"
    hook.parent.mkdir(exist_ok=True)
    hook.write_text(SLOW_HOOK)
    hook.chmod(0o755)
    run_id = await stack.submit(task="Mend add", repository={"url": url}, model="scripted:mend", plan=False)
    await stack.until_event(run_id, "effect/push/intended/1", seconds=120)
    assert stack.worker.running is not None
    stack.worker.running.send_signal(signal.SIGSTOP)
    try:
        async with serving(stack.another_worker("elsewhere", stack.home / "elsewhere")):
            run = await stack.until(run_id, "completed", seconds=150)
            work = run["result"]["work"]
            # Somebody goes on from the branch before the hung worker is back.
            other = git(bare, "commit-tree", f"{work['commit']}^{{tree}}", "-p", work["commit"], "-m", "Mine")
            git(bare, "update-ref", f"refs/heads/{work['branch']}", other)
            stack.worker.running.send_signal(signal.SIGCONT)
            await asyncio.sleep(8)
            assert git(bare, "rev-parse", f"refs/heads/{work['branch']}") == other
            done = [one["key"] for one in await stack.events(run_id, "effect_done")]
            assert done == ["effect/push/done"]
    finally:
        stack.worker.running.send_signal(signal.SIGCONT)
        await stack.worker.kill()
