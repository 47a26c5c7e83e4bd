"""Scripts made in Python for runs that go wrong, what people say to them, and what must hold of each of them."""

import json
from typing import Any

from temporalio.api.enums.v1 import EventType
from temporalio.client import Client

from tests.fixtures.stack import Stack
from tests.workflows.chains import histories

Said = dict[str, Any]


def call(name: str, arguments: Said | str, unknown: bool = False) -> Said:
    """A string is sent as it is."""
    return {"name": name, "arguments": arguments, "unknown": unknown}


def bash(command: str) -> Said:
    return call("bash", {"command": command})


def says(*calls: Said, expect: str | tuple[str, ...] = (), **more: Any) -> Said:
    """One turn; `expect` is what the model must have been told before it."""
    return {"calls": list(calls), "expect": [expect] if isinstance(expect, str) else list(expect), **more}


def finish(expect: str | tuple[str, ...] = ()) -> list[Said]:
    """The last two turns: `finish` is called twice."""
    done = call("finish", {"summary": "Done what there was."})
    return [says(done, expect=expect), says(done)]


def script(stack: Stack, name: str, *turns: Said, planning: tuple[Said, ...] = ()) -> str:
    """Gives the scripted model these turns; the model's full name."""
    conversations: list[Said] = [{"when": {"tool": "bash"}, "turns": list(turns)}]
    if planning:
        conversations.insert(0, {"when": {"tool": "propose_plan"}, "turns": list(planning)})
    stack.scripted.add(name, json.dumps({"conversations": conversations, "piece_characters": 100_000}))
    return f"scripted:{name}"


async def submit(stack: Stack, model: str, **spec: Any) -> str:
    return await stack.submit(**({"task": "Do it", "model": model, "plan": False} | spec))


async def card(stack: Stack, run_id: str) -> Said:
    """What the run asks, pending."""
    approvals = (await stack.get("/v1/approvals?status=pending"))["items"]
    (approval,) = [one for one in approvals if one["run_id"] == run_id]
    return approval


async def decide(stack: Stack, run_id: str, **decision: Any) -> None:
    asked = await card(stack, run_id)
    answer = await stack.http.post(f"/v1/runs/{run_id}/approvals/{asked['approval_id']}", json=decision)
    assert answer.status_code in (200, 202), answer.text


async def result(stack: Stack, run_id: str, call: str) -> Said:
    """What the model read as a call's result."""
    return (await stack.until_event(run_id, f"{call}/returned"))["event"]["result"]


async def failed(stack: Stack, client: Client, run_id: str) -> Said:
    """The result of a run that failed as it should: with a reason and with what to do."""
    ended = (await stack.until(run_id, "failed"))["result"]
    assert ended["summary"], ended
    assert ended["next_step"], ended
    await nothing_wedged(client, run_id)
    return ended


async def completed(stack: Stack, client: Client, run_id: str) -> Said:
    run = await stack.until(run_id, "completed")
    await nothing_wedged(client, run_id)
    return run


async def nothing_wedged(client: Client, run_id: str) -> None:
    """No decision of the run or its phases has failed, not even once."""
    for history in await histories(client, run_id):
        for event in history.events:
            assert event.event_type != EventType.EVENT_TYPE_WORKFLOW_TASK_FAILED, event
