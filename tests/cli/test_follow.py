"""A run that is followed to its end, with its children."""

import asyncio
import io
from typing import Any

from rich.console import Console

from cli.client import ApiClient
from cli.follow import Decide, Show, decide_yes, follow, show_lines
from tests.fixtures.stack import TOKEN, Stack
from tests.workflows.test_children import delegate, results, start


async def followed(stack: Stack, run_id: str, show: Show, decide: Decide) -> dict[str, Any]:
    client = ApiClient(stack.url, TOKEN)
    try:
        return await asyncio.to_thread(follow, client, run_id, show, decide)
    finally:
        client.close()


async def test_a_yes_to_all_is_said_to_the_children_of_a_run_as_well(stack: Stack) -> None:
    run_id = await start(stack, "yes", delegate("part push"))
    console = Console(file=io.StringIO(), width=200)
    run = await followed(stack, run_id, show_lines(console), decide_yes(console))
    assert run["status"] == "completed"
    assert "pushed" in (await results(stack, run_id))["turn/2/call/0"]["result"]["text"]
    assert isinstance(console.file, io.StringIO)
    shown = console.file.getvalue()
    assert "waiting for child" in shown
    assert "approving turn/1/call/0" in shown


async def test_a_watch_ends_where_a_child_asks_and_nobody_is_there_to_answer(stack: Stack) -> None:
    run_id = await start(stack, "nobody", delegate("part push"))
    run = await followed(stack, run_id, lambda _: None, lambda _: None)
    assert (run["status"], run["waiting_for"]) == ("waiting", "child")
    assert "tool_approval" in run["waiting_reason"]
    assert [one["waiting_for"] for one in run["children"]] == ["tool_approval"]
    assert (await stack.http.post(f"/v1/runs/{run_id}/cancel", json={})).status_code == 202
    await stack.until(run_id, "cancelled")
