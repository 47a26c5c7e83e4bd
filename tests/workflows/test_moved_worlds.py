"""A yes is for the world that its card showed: where that has moved on, it is asked for again and nothing is done."""

import json

import psycopg
from temporalio.client import Client

from adapters.blobs import ObjectBlobs
from adapters.journal.postgres import PostgresJournal
from domain.event import WorkspaceOpened
from domain.record import NewEvent
from tests.fixtures.stack import Stack
from tests.workflows.sayings import bash, card, completed, decide, finish, result, says, script, submit


async def rewind(stack: Stack, run_id: str) -> str:
    """Brings the run's files back to before its first call, as another host would; the snapshot's id."""
    dsn = stack.environment["DATABASE_URL"]
    journal = await PostgresJournal.connect(dsn, ObjectBlobs(f"file://{stack.home}/stack/blobs"))
    try:
        first = (await journal.read(run_id, types=("workspace_opened",)))[0].event
        assert isinstance(first, WorkspaceOpened)
        async with await psycopg.AsyncConnection.connect(dsn) as connection:
            wanted = json.dumps(first.snapshot.model_dump(mode="json"))
            await connection.execute("UPDATE workspaces SET snapshot = %s WHERE run_id = %s", (wanted, run_id))
        lease = await journal.take_workspace(run_id, "elsewhere")
        opened = first.model_copy(update={"generation": lease.generation, "host_id": "elsewhere"})
        await journal.record(run_id, [NewEvent(key=f"workspace/{lease.generation}", event=opened)])
        return first.snapshot.id
    finally:
        await journal.close()


async def test_a_yes_to_files_that_have_moved_on_is_asked_for_again(stack: Stack, temporal_client: Client) -> None:
    first, second = says(bash("echo one > one.txt")), says(bash("echo two > two.txt; ls"))
    run_id = await submit(stack, script(stack, "moved", first, second, *finish()), tool_policy="ask_writes")
    await stack.until(run_id, "tool_approval")
    await decide(stack, run_id, decision="approve")
    asked = "turn/2/call/0"
    await stack.until_event(run_id, f"approval/{asked}/requested")
    before = await card(stack, run_id)
    assert (before["approval_id"], before["again"]) == (asked, "")
    stands = await rewind(stack, run_id)
    await decide(stack, run_id, decision="approve", scope="kind")
    await stack.until_event(run_id, f"approval/{asked}/again/2/requested")
    after = await card(stack, run_id)
    assert after["snapshot_id"] == stands != before["snapshot_id"]
    assert before["snapshot_id"][:12] in after["again"]
    assert after["subject"] == before["subject"]
    run = await stack.get(f"/v1/runs/{run_id}")
    assert run["waiting_for"] == "tool_approval"
    assert run["waiting_reason"].startswith("Asked again: The files are no longer those of snapshot")
    keys = [event["key"] for event in await stack.events(run_id)]
    assert f"approval/{asked}/decided" in keys
    assert f"{asked}/started/1" not in keys
    # What a yes was to allow for the rest of the run is not allowed either.
    await decide(stack, run_id, decision="approve")
    await completed(stack, temporal_client, run_id)
    assert (await result(stack, run_id, asked))["text"].split() == ["two.txt"]


async def test_a_no_holds_in_any_world(stack: Stack, temporal_client: Client) -> None:
    first, second = says(bash("echo one > one.txt")), says(bash("echo two > two.txt"))
    run_id = await submit(stack, script(stack, "refused", first, second, *finish()), tool_policy="ask_writes")
    await stack.until(run_id, "tool_approval")
    await decide(stack, run_id, decision="approve")
    await stack.until_event(run_id, "approval/turn/2/call/0/requested")
    await rewind(stack, run_id)
    await decide(stack, run_id, decision="reject", reason="Not that one.")
    assert "Not that one." in (await result(stack, run_id, "turn/2/call/0"))["text"]
    await completed(stack, temporal_client, run_id)


async def test_an_answer_to_a_question_holds_in_any_world(stack: Stack, temporal_client: Client) -> None:
    asks = says({"name": "ask_human", "arguments": {"question": "Which colour?"}, "unknown": False})
    run_id = await submit(stack, script(stack, "colours", says(bash("echo one > one.txt")), asks, *finish("blue")))
    await stack.until(run_id, "human_answer")
    await rewind(stack, run_id)
    await decide(stack, run_id, decision="approve", edited={"answer": "blue"})
    await completed(stack, temporal_client, run_id)
