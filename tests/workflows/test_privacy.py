"""What other users of the host, and other runs, can see of a run's files."""

import stat
from pathlib import Path

from temporalio.client import Client

from tests.fixtures.stack import Stack
from tests.workflows.sayings import bash, completed, finish, result, says, script, submit


async def test_nobody_else_on_the_host_can_enter_where_files_of_runs_lie(stack: Stack, temporal_client: Client) -> None:
    run_id = await submit(stack, script(stack, "private", says(bash("echo secret > a.txt; seq 100000")), *finish()))
    await completed(stack, temporal_client, run_id)
    worker, home = (Path(stack.environment[name]) for name in ("PERDURE_WORKER_HOME", "PERDURE_HOME"))
    places = (worker / "workspaces", worker / "outputs", home / "blobs")
    assert [stat.S_IMODE(place.stat().st_mode) & 0o007 for place in places] == [0, 0, 0]


async def test_a_run_sees_neither_keys_nor_other_runs(stack: Stack, temporal_client: Client) -> None:
    home = stack.home
    look = (
        "cat /proc/[0-9]*/environ /proc/[0-9]*/cmdline 2>/dev/null | tr '\\0' '\\n'; "
        f"ls -d {home} {home}/worker /outputs/.pending /outputs/.. 2>&1; ls /proc | grep -c '^[0-9]'"
    )
    run_id = await submit(stack, script(stack, "looks", says(bash(look)), *finish()))
    await completed(stack, temporal_client, run_id)
    text = (await result(stack, run_id, "turn/1/call/0"))["text"]
    told = [stack.environment[name] for name in ("PERDURE_API_TOKEN", "DATABASE_URL", "SCRIPTED_BASE_URL")]
    assert [secret for secret in told if secret in text] == []
    assert text.count("No such file or directory") == 3
