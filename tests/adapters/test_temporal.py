"""What is read of a payload that another version of the code has written."""

import pytest
from pydantic import ValidationError
from temporalio.api.common.v1 import Payload
from temporalio.converter import ActivitySerializationContext, WorkflowSerializationContext

from adapters.temporal import masking_converter
from domain.mailbox import SendMessage
from domain.secrets import Mask
from domain.workspace import WorkspaceRef

CONVERTER = masking_converter(Mask(()))
IN_ACTIVITY = ActivitySerializationContext(
    namespace="default",
    workflow_id="run/a",
    workflow_type="RunWorkflow",
    activity_type="call_tool",
    activity_id="1",
    activity_task_queue="host/h",
    is_local=False,
)
IN_WORKFLOW = WorkflowSerializationContext(namespace="default", workflow_id="run/a")


def payload(text: bytes) -> Payload:
    return Payload(metadata={"encoding": b"json/plain"}, data=text)


async def test_a_field_of_a_newer_version_keeps_no_activity_from_its_work() -> None:
    newer = payload(b'{"workspace_id": "w", "host_id": "h", "generation": 1, "of_tomorrow": {"a": 1}}')
    (read,) = await CONVERTER.with_context(IN_ACTIVITY).decode([newer], [WorkspaceRef])
    assert read == WorkspaceRef(workspace_id="w", host_id="h", generation=1)
    with pytest.raises(ValidationError):
        await CONVERTER.with_context(IN_ACTIVITY).decode([payload(b'{"workspace_id": "w"}')], [WorkspaceRef])


async def test_what_people_say_to_a_run_is_read_strictly() -> None:
    said = payload(b'{"message_id": "m", "text": "t", "by": "ann", "txet": "lost"}')
    with pytest.raises(ValidationError):
        await CONVERTER.with_context(IN_WORKFLOW).decode([said], [SendMessage])


async def test_values_come_back_as_they_went() -> None:
    value = WorkspaceRef(workspace_id="w", host_id="h", generation=1)
    for context in (IN_ACTIVITY, IN_WORKFLOW):
        converter = CONVERTER.with_context(context)
        sent = await converter.encode([value, None, b"bytes"])
        assert await converter.decode(sent, [WorkspaceRef, type(None), bytes]) == [value, None, b"bytes"]
