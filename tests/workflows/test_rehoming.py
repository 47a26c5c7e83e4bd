"""A run moves to a host that has nothing of it but the blob store: files, shell and repository come along."""

import shutil

from tests.fixtures.git_server import git
from tests.fixtures.stack import Stack
from tests.workflows.fates import LONG, LONG_CALL, hosts_of, serving
from tests.workflows.scripts import BROKEN
from tests.workflows.test_durability import redone

SEEN = "/workspace/sub yes base: 1"
LOOKS = "echo $PWD $KEPT base: $(git log --oneline | wc -l)"
MOVED = LONG.replace("pwd; echo $KEPT; cat log.txt", LOOKS).replace(
    r"/workspace/sub\nyes\none\ntwo\nyes in /workspace/sub", SEEN
)


async def test_a_run_goes_on_elsewhere_without_its_host_and_without_its_repository(stack: Stack) -> None:
    stack.scripted.add("moved", MOVED)
    url = stack.repository("leaving", BROKEN)
    origin = stack.remote.root / "leaving.git"
    run_id = await stack.submit(task="Log", repository={"url": url}, model="scripted:moved", plan=False, publish="none")
    await stack.until_event(run_id, f"{LONG_CALL}/started/1")
    await stack.worker.kill()
    away = origin.rename(origin.with_name("away.git"))
    shutil.rmtree(stack.environment["PERDURE_WORKER_HOME"])
    async with serving(stack.another_worker("new", stack.home / "new")):
        await stack.until(run_id, "completed", seconds=120)
        returned = (await stack.until_event(run_id, "turn/3/call/0/returned"))["event"]
        assert SEEN in returned["result"]["text"]
        first, second = await hosts_of(stack, run_id)
        assert first != second
        assert await redone(stack, run_id) == [f"{LONG_CALL}/redone/1"]
        assert stack.scripted.counts().asked == 5
        work = (await stack.until_event(run_id, "work/1"))["event"]["work"]
        assert (work["files"], work["base"]) == (1, git(away, "rev-parse", "HEAD"))
        diff = (await stack.http.get(f"/v1/runs/{run_id}/diff")).text
        assert "yes in /workspace/sub" in diff
        away.rename(origin)
