"""Runs that are under way survive a change of the code: recorded histories are replayed by the code as it is now."""

import base64
import copy
import gzip
import json
import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from temporalio.client import WorkflowHistory
from temporalio.contrib.pydantic import pydantic_data_converter
from temporalio.worker import Replayer
from temporalio.workflow import NondeterminismError

from adapters.temporal import workflow_runner
from worker import WORKFLOWS

RECORDS = sorted((Path(__file__).parent / "histories").glob("*.json.gz"))
NAMES = [path.name.removesuffix(".json.gz") for path in RECORDS]


def read(path: Path) -> dict[str, Any]:
    """{"workflow_id", "history"}, the latter as Temporal's own JSON."""
    record: dict[str, Any] = json.loads(gzip.decompress(path.read_bytes()))
    return record


def texts(value: object, key: str = "") -> Iterator[str]:
    """Every text of a record, what payloads hold included."""
    if isinstance(value, dict):
        for name, one in value.items():
            yield from texts(one, str(name))
    elif isinstance(value, list):
        for one in value:
            yield from texts(one)
    elif isinstance(value, str):
        yield base64.b64decode(value).decode() if key == "data" else value


async def replay(record: dict[str, Any]) -> None:
    replayer = Replayer(
        workflows=WORKFLOWS,
        workflow_runner=workflow_runner(),
        data_converter=pydantic_data_converter,
        build_id="replay",
    )
    await replayer.replay_workflow(WorkflowHistory.from_json(record["workflow_id"], record["history"]))


@pytest.mark.parametrize("path", RECORDS, ids=NAMES)
async def test_a_recorded_history_is_replayed_by_todays_code(path: Path) -> None:
    await replay(read(path))


def test_the_records_hold_every_workflow_and_every_turn_of_events() -> None:
    started = [
        event["workflowExecutionStartedEventAttributes"]["workflowType"]["name"]
        for path in RECORDS
        for event in read(path)["history"]["events"][:1]
    ]
    assert set(started) == {workflow.__name__ for workflow in WORKFLOWS}
    kinds = {event["eventType"] for path in RECORDS for event in read(path)["history"]["events"]}
    wanted = {"WORKFLOW_EXECUTION_CONTINUED_AS_NEW", "WORKFLOW_EXECUTION_UPDATE_ACCEPTED", "ACTIVITY_TASK_CANCELED"}
    assert {f"EVENT_TYPE_{name}" for name in wanted} <= kinds


@pytest.mark.parametrize("attribute", ["activityTaskScheduledEventAttributes", "startChildWorkflow"])
async def test_a_history_of_other_code_is_refused(attribute: str) -> None:
    """As if an earlier version had called something else at the same place."""
    record = copy.deepcopy(read(next(path for path in RECORDS if path.name.startswith("plain-00"))))
    attributes = [
        (name, value)
        for event in record["history"]["events"]
        for name, value in event.items()
        if name.startswith(attribute)
    ]
    _, changed = attributes[0]
    kind = "activityType" if attribute.startswith("activity") else "workflowType"
    changed[kind]["name"] = "something_else"
    with pytest.raises(NondeterminismError):
        await replay(record)


@pytest.mark.parametrize("path", RECORDS, ids=NAMES)
def test_a_record_names_no_machine(path: Path) -> None:
    for text in texts(read(path)):
        # Where code stood shows in failures' traces, where work lay in payloads.
        assert not re.search(r"/(tmp|home|root|var|usr|opt)/|127\.0\.0\.1|localhost", text), text[:300]
