"""A setup command is run once for a commit; later runs take its effect over."""

from temporalio.client import Client

from tests.fixtures.stack import Stack
from tests.workflows.sayings import bash, completed, finish, says, script, submit

SETUP = (
    "echo run >> /tmp/count; head -c 8 /dev/urandom | od -An -tx1 > made.txt; mkdir -p ~/tools; export TOOL=here; "
    "seq 9000"
)
LOOK = 'cat made.txt; wc -l < /tmp/count; ls -d ~/tools; echo "tool $TOOL"; tail -n 1 /outputs/setup-0'
FILES: dict[str, str | bytes] = {"a.txt": "a\n", ".gitignore": "made.txt\n"}


async def looked(stack: Stack, client: Client, url: str, setup: str) -> tuple[str, str, str]:
    """Whom the setup was taken over from, what the run then saw, and its run id."""
    model = script(stack, "looks", says(bash(LOOK)), *finish())
    run_id = await submit(stack, model, repository={"url": url}, setup=setup)
    await completed(stack, client, run_id)
    returned = {one["event"]["call"]: one["event"] for one in await stack.events(run_id, "tool_returned")}
    assert returned["setup/call/0"]["result"]["exit_code"] == 0
    return str(returned["setup/call/0"]["reused_from"]), str(returned["turn/1/call/0"]["result"]["text"]), run_id


async def test_the_effect_of_a_setup_is_taken_over_by_later_runs_of_the_same_commit(
    stack: Stack, temporal_client: Client
) -> None:
    url = stack.repository("prepared", FILES)
    reused, seen, first = await looked(stack, temporal_client, url, SETUP)
    assert reused == ""
    assert "/home/agent/tools\ntool here\n9000" in seen
    for _ in range(2):
        assert (await looked(stack, temporal_client, url, SETUP))[:2] == (first, seen)
    other, after, _ = await looked(stack, temporal_client, url, f"{SETUP}; true")
    assert (other, after == seen) == ("", False)


async def test_another_commit_is_set_up_anew(stack: Stack, temporal_client: Client) -> None:
    first, second = (stack.repository(name, {**FILES, "b.txt": name}) for name in ("one-commit", "another-commit"))
    assert (await looked(stack, temporal_client, first, SETUP))[0] == ""
    assert (await looked(stack, temporal_client, second, SETUP))[0] == ""
