"""A run that is told very much: its own history starts anew at the end of a turn, and nothing that was said is lost."""

import asyncio
import time
from collections import Counter

import httpx2
from temporalio.client import Client

from domain.conversation import conversation
from domain.event import MessageReceived
from domain.model import UserMessage
from domain.run import Pace, RunSpec
from tests.fixtures.stack import PATIENCE_SECONDS, Stack
from tests.workflows.chains import chain
from tests.workflows.paced import begin, journal_of
from tests.workflows.sayings import bash, card, decide, finish, says, script

PACE = Pace(events_per_execution=60)
SPEC = RunSpec(task="Do it", plan=False, publish="none")


async def say(stack: Stack, run_id: str, text: str, message_id: str) -> httpx2.Response:
    return await stack.http.post(f"/v1/runs/{run_id}/messages", json={"text": text, "message_id": message_id})


async def say_until_taken(stack: Stack, run_id: str, text: str, message_id: str) -> None:
    """A run may be full until the call under way is over, which a slow machine makes late."""
    while True:
        answer = await say(stack, run_id, text, message_id)
        if answer.status_code < 500 and answer.status_code != 409:
            assert answer.status_code == 202, answer.text
            return
        await asyncio.sleep(0.5)


async def begun(client: Client, run_id: str, times: int) -> None:
    """Until the run has begun so often."""
    deadline = time.monotonic() + PATIENCE_SECONDS
    while len(await chain(client, f"run/{run_id}")) < times:
        assert time.monotonic() < deadline
        await asyncio.sleep(0.2)


async def heard(stack: Stack, run_id: str) -> list[str]:
    """What people said, as the journal has it, and as the model was shown it."""
    async with journal_of(stack) as journal:
        events = await journal.read(run_id, limit=10_000)
    received = Counter(one.event.text for one in events if isinstance(one.event, MessageReceived))
    shown = [one.text for one in conversation(events, "work", "") if isinstance(one, UserMessage)]
    assert received == Counter(text for text in shown if text.startswith("<"))
    return sorted(received.elements())


async def test_a_paused_run_starts_its_history_anew_while_it_is_spoken_to(
    stack: Stack, temporal_client: Client
) -> None:
    model = script(stack, "paused", says(bash("sleep 2")), says(bash("echo two")), *finish(), *finish())
    async with journal_of(stack) as journal:
        run_id = await begin(stack, temporal_client, journal, SPEC, model, PACE)
    await stack.until_event(run_id, "turn/1/call/0/started/1")
    assert (await stack.http.post(f"/v1/runs/{run_id}/pause")).status_code in (200, 202)
    told = [f"<{number}>" for number in range(30)]
    for number, text in enumerate(told):
        await say_until_taken(stack, run_id, text, f"m-{number}")
    await begun(temporal_client, run_id, 3)
    # Said once more, to an execution that has only heard of it.
    assert (await say(stack, run_id, told[3], "m-3")).status_code == 202
    assert (await stack.get(f"/v1/runs/{run_id}"))["status"] == "paused"
    assert (await stack.http.post(f"/v1/runs/{run_id}/pause")).status_code == 409
    assert (await stack.http.post(f"/v1/runs/{run_id}/resume")).status_code in (200, 202)
    # A word that comes just as the run continues as new makes it decide again, which Temporal calls a failure.
    await stack.until(run_id, "completed")
    assert await heard(stack, run_id) == sorted(told)


async def test_a_run_that_is_told_too_much_in_one_turn_says_so_and_takes_more_after_it(
    stack: Stack, temporal_client: Client
) -> None:
    model = script(stack, "asks", says(bash("touch a")), says(bash("sleep 1")), *finish(), *finish())
    async with journal_of(stack) as journal:
        spec = SPEC.model_copy(update={"tool_policy": "ask_writes"})
        run_id = await begin(stack, temporal_client, journal, spec, model, PACE)
    await stack.until(run_id, "tool_approval")
    told: list[str] = []
    while (answer := await say(stack, run_id, f"<{len(told)}>", f"m-{len(told)}")).status_code == 202:
        told.append(f"<{len(told)}>")
    assert answer.status_code == 409
    assert "told so much" in answer.text
    assert 10 < len(told) < 3 * PACE.events_per_execution
    assert len(await chain(temporal_client, f"run/{run_id}")) == 1
    first = (await card(stack, run_id))["approval_id"]
    await decide(stack, run_id, decision="approve")
    await begun(temporal_client, run_id, 2)
    # The word was given to an execution that is over: whoever gives it again is told the same.
    again = await stack.http.post(f"/v1/runs/{run_id}/approvals/{first}", json={"decision": "approve"})
    assert again.status_code == 200, again.text
    told.append(f"<{len(told)}>")
    assert (await say(stack, run_id, told[-1], "m-last")).status_code == 202
    while (await stack.get(f"/v1/runs/{run_id}"))["status"] != "completed":
        if (await stack.get(f"/v1/runs/{run_id}"))["waiting_for"] == "tool_approval":
            asked = (await stack.get(f"/v1/runs/{run_id}/approvals?status=pending"))["items"]
            for one in asked:
                path = f"/v1/runs/{run_id}/approvals/{one['approval_id']}"
                await stack.http.post(path, json={"decision": "approve"})
        await asyncio.sleep(0.1)
    assert await heard(stack, run_id) == sorted(told)


async def test_messages_too_long_to_be_handed_on_together_are_refused_at_the_door(
    stack: Stack, temporal_client: Client
) -> None:
    model = script(stack, "slow", says(bash("sleep 600")))
    async with journal_of(stack) as journal:
        run_id = await begin(stack, temporal_client, journal, SPEC, model, Pace())
    await stack.until_event(run_id, "turn/1/call/0/started/1")
    answers = [(await say(stack, run_id, "<" + "x" * 99_000, f"m-{number}")).status_code for number in range(12)]
    assert answers == [202] * 10 + [409] * 2
    assert (await stack.http.post(f"/v1/runs/{run_id}/cancel")).status_code in (200, 202)
    await stack.until(run_id, "cancelled")
