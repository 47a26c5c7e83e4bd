"""Everything that Temporal kept of a run: its history, its phases' histories, and what each became as new."""

from collections.abc import Iterator, Sequence

from google.protobuf.message import Message
from temporalio.api.common.v1 import Payload
from temporalio.api.enums.v1 import EventType
from temporalio.api.history.v1 import HistoryEvent
from temporalio.client import Client, WorkflowHistory


async def histories(client: Client, run_id: str) -> list[WorkflowHistory]:
    """The run's own first, then each phase's in their order; one of each execution of a chain."""
    found = await chain(client, f"run/{run_id}")
    for event in [event for one in found for event in one.events]:
        if event.event_type == EventType.EVENT_TYPE_CHILD_WORKFLOW_EXECUTION_STARTED:
            child = event.child_workflow_execution_started_event_attributes.workflow_execution
            found += await chain(client, child.workflow_id, child.run_id)
    return found


async def chain(client: Client, workflow_id: str, run_id: str | None = None) -> list[WorkflowHistory]:
    """The executions that followed each other by continue-as-new, from `run_id` or the first on."""
    if run_id is None:
        run_id = (
            await client.get_workflow_handle(workflow_id).describe()
        ).raw_description.workflow_execution_info.first_run_id
    found: list[WorkflowHistory] = []
    while run_id:
        found.append(await client.get_workflow_handle(workflow_id, run_id=run_id).fetch_history())
        last = found[-1].events[-1]
        run_id = last.workflow_execution_continued_as_new_event_attributes.new_execution_run_id
    return found


def turns(history: WorkflowHistory) -> list[list[HistoryEvent]]:
    """The events of each turn, from one question to the model to the next; the last stands for what came after it."""
    found: list[list[HistoryEvent]] = []
    for event in history.events:
        if event.activity_task_scheduled_event_attributes.activity_type.name == "call_model":
            found.append([])
        if found:
            found[-1].append(event)
    return found


def summaries(history: WorkflowHistory) -> list[str]:
    """What the Web UI shows beside each activity."""
    scheduled = EventType.EVENT_TYPE_ACTIVITY_TASK_SCHEDULED
    return [said(event.user_metadata.summary) for event in history.events if event.event_type == scheduled]


def said(payload: Payload) -> str:
    return payload.data.decode().strip('"')


def size(events: Sequence[Message]) -> int:
    """Bytes, as Temporal stores them."""
    return sum(event.ByteSize() for event in events)


def holders(found: Sequence[WorkflowHistory], text: str) -> Iterator[str]:
    """The events in which a text stands, by the name of their kind."""
    for history in found:
        for event in history.events:
            if text.encode() in event.SerializeToString():
                yield EventType.Name(event.event_type).removeprefix("EVENT_TYPE_")
