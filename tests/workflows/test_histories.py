"""What Temporal keeps and shows of a run: short, readable, flat, and nothing of the conversation."""

import asyncio
import re
from collections import Counter
from collections.abc import AsyncIterator
from dataclasses import dataclass
from typing import Any

import pytest
import pytest_asyncio
from temporalio.api.enums.v1 import EventType
from temporalio.api.workflowservice.v1 import ListWorkflowExecutionsRequest
from temporalio.client import Client, WorkflowExecutionDescription, WorkflowHistory

from tests.fixtures.stack import Stack
from tests.workflows.chains import chain, histories, holders, said, size, summaries, turns

SECONDS = 200.0
TURNS = 60
TITLE = "Count the zebras of the whole savannah"
HIDDEN_TASK = "Nobody but the model is told of quagga."
# What is said, thought, written and answered differs from what the commands show of themselves.
CHATTY = f"""
about: Sixty turns that say, think, write and read something each.
conversations:
  - when: {{tool: bash}}
    turns:
      - repeat: {{turns: {TURNS}}}
        text: "A walrus is what I see in turn {{n}}."
        reasoning: "Would it be an ocelot?"
        calls:
          - {{name: bash, arguments: {{command: "echo turn {{n}}; printf 'gnu%s\\\\n' gnugnu | tr g m"}}}}
      - calls:
          - {{name: write, arguments: {{path: herd.txt, content: "An okapi stands there."}}}}
          - {{name: read, arguments: {{path: herd.txt}}}}
      - calls: [{{name: finish, arguments: {{summary: "Sixty zebras."}}}}]
      - calls: [{{name: finish, arguments: {{summary: "Sixty zebras."}}}}]
"""


@dataclass(frozen=True)
class LongRun:
    run_id: str
    described: WorkflowExecutionDescription
    kept: list[WorkflowHistory]

    @property
    def work(self) -> WorkflowHistory:
        (found,) = [one for one in self.kept if one.workflow_id.endswith("/work/1")]
        return found


@pytest_asyncio.fixture(scope="module", loop_scope="session")
async def long_run(module_stack: Stack, temporal_client: Client) -> AsyncIterator[LongRun]:
    """Sixty turns and the finish, over and looked at."""
    module_stack.scripted.add("chatty", CHATTY)
    task = f"{TITLE}\n\n{HIDDEN_TASK}"
    run_id = await module_stack.submit(task=task, model="scripted:chatty", plan=False)
    await module_stack.until(run_id, "completed", seconds=SECONDS)
    # The mailbox closes a moment after the journal says that the run is over.
    handle = temporal_client.get_workflow_handle(f"run/{run_id}")
    await handle.result()
    yield LongRun(run_id, await handle.describe(), await histories(temporal_client, run_id))


@pytest.mark.timeout(SECONDS)
async def test_a_turn_is_few_events_and_few_bytes_early_and_late(long_run: LongRun) -> None:
    each = turns(long_run.work)[:TURNS]
    events, sizes = [len(turn) for turn in each], [size(turn) for turn in each]
    assert max(events) <= 14, events
    assert max(sizes) < 3000, sizes
    early, late = sum(sizes[9:20]) / 11, sum(sizes[49:60]) / 11
    assert abs(late - early) <= early / 10, (early, late)
    whole = sum(size(one.events) for one in long_run.kept)
    assert whole / TURNS < 3000, f"{whole} bytes for {TURNS} turns"


async def test_a_run_says_in_temporal_what_it_is_and_how_it_stands(long_run: LongRun) -> None:
    assert await long_run.described.static_summary() == TITLE
    attributes = {pair.key.name: pair.value for pair in long_run.described.typed_search_attributes}
    assert attributes["RunStatus"] == "completed"
    assert attributes["Agent"] == "coder"
    assert attributes["Owner"]
    assert "WaitingFor" not in attributes
    assert long_run.work.events[0].HasField("user_metadata")
    assert said(long_run.work.events[0].user_metadata.summary) == f"work as coder: {TITLE}"


async def test_every_activity_has_a_short_readable_summary(long_run: LongRun) -> None:
    found = summaries(long_run.work)
    assert found[:2] == ["turn 1: ask scripted:chatty", "bash: echo turn 1; printf 'gnu%s\\\\n' gnugnu | tr g m"]
    assert found[-1] == "finish: Sixty zebras."
    every = [one for history in long_run.kept for one in summaries(history)]
    assert all(0 < len(one) <= 80 for one in every), every


@pytest.mark.parametrize("text", ["walrus", "ocelot", "mnumnumnu", "okapi", "quagga", "You are"])
async def test_nothing_of_the_conversation_stands_in_any_history(long_run: LongRun, text: str) -> None:
    assert list(holders(long_run.kept, text)) == []


async def test_of_the_agents_words_only_calls_in_a_line_and_the_result_stand_in_histories(long_run: LongRun) -> None:
    ending = [one for one in long_run.kept if one.workflow_id == f"run/{long_run.run_id}"]
    assert set(holders(ending, "Sixty zebras.")) <= {"ACTIVITY_TASK_COMPLETED", "WORKFLOW_EXECUTION_COMPLETED"}
    for event in long_run.work.events:
        bare = event.SerializeToString().replace(b"finish: Sixty zebras.", b"")
        assert b"Sixty zebras." not in bare, event


async def test_a_waiting_run_shows_what_it_waits_for_and_is_found_by_it(stack: Stack, temporal_client: Client) -> None:
    run_id = await stack.submit(
        task="Count", model="scripted:echo@1", plan=False, tool_policy="ask_writes", labels={"herd": "zebra"}
    )
    await stack.until(run_id, "tool_approval")
    query = f"RunStatus = 'waiting' AND WaitingFor = 'tool_approval' AND WorkflowId = 'run/{run_id}'"
    assert await listed(temporal_client, query) == [f"run/{run_id}"]
    described = await temporal_client.get_workflow_handle(f"run/{run_id}").describe()
    metadata = await details(temporal_client, f"run/{run_id}")
    assert "waiting for **tool_approval**" in metadata
    assert "turn/1/call/0" in metadata
    assert await described.static_summary() == "Count"
    answer = await stack.http.post(f"/v1/runs/{run_id}/cancel", json={"reason": "seen"})
    assert answer.status_code == 202
    await stack.until(run_id, "cancelled")


async def details(client: Client, workflow_id: str) -> str:
    """The current details, as the Web UI asks for them."""
    metadata = await client.get_workflow_handle(workflow_id).query("__temporal_workflow_metadata")
    return str(metadata.current_details)


async def listed(client: Client, query: str) -> list[str]:
    """The ids of workflows that a query finds; visibility follows a moment after."""
    request = ListWorkflowExecutionsRequest(namespace=client.namespace, query=query)
    for _ in range(100):
        answer = await client.workflow_service.list_workflow_executions(request)
        if answer.executions:
            return [one.execution.workflow_id for one in answer.executions]
        await asyncio.sleep(0.1)
    return []


@pytest.mark.timeout(SECONDS)
async def test_words_said_while_a_phase_continues_as_new_are_heard(stack: Stack, temporal_client: Client) -> None:
    run_id = await stack.submit(task="Count", model="scripted:echo@112", plan=False, limits={"turns": 500})
    await stack.until_event(run_id, "turn/92", seconds=SECONDS)
    told = await speak_until(stack, run_id, turn=104)
    run = await stack.until(run_id, "completed", seconds=SECONDS)
    await temporal_client.get_workflow_handle(f"run/{run_id}").result()
    works = await chain(temporal_client, f"run/{run_id}/work/1")
    ended = [EventType.Name(one.events[-1].event_type) for one in works]
    assert ended == ["EVENT_TYPE_WORKFLOW_EXECUTION_CONTINUED_AS_NEW", "EVENT_TYPE_WORKFLOW_EXECUTION_COMPLETED"]
    assert run["turn"] >= 114
    heard = [event["event"]["text"] for event in await stack.events(run_id, "message_received")]
    assert heard == told
    keys = [event["key"] for event in await stack.events(run_id)]
    assert len(keys) == len(set(keys))
    shown = re.fullmatch(
        r"### work as coder\n\nfrom turn (\d+) on", await details(temporal_client, f"run/{run_id}/work/1")
    )
    assert shown is not None
    # Words are events, too, and bring the moment forward.
    assert 92 < int(shown[1]) < 104


async def speak_until(stack: Stack, run_id: str, turn: int) -> list[str]:
    """Pauses, says something and resumes, twice a turn, which is not enough for the run itself to continue as new; what
    was said, in its order."""
    told: list[str] = []
    run: dict[str, Any] = {"turn": 0}
    spoken = Counter[int]()
    while run["turn"] < turn:
        if spoken[run["turn"]] < 2:
            spoken[run["turn"]] += 1
            told.append(f"Word {len(told)}.")
            for path, body in (("pause", {}), ("messages", {"text": told[-1]}), ("resume", {})):
                answer = await stack.http.post(f"/v1/runs/{run_id}/{path}", json=body)
                assert answer.status_code == 202, answer.text
        run = await stack.get(f"/v1/runs/{run_id}")
    return told
