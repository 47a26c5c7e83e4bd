"""The calls of one turn: in the model's order, unbroken series of reads side by side."""

import asyncio
from collections.abc import Iterator, Sequence
from itertools import groupby
from typing import Protocol

from temporalio import workflow
from temporalio.exceptions import ApplicationError

with workflow.unsafe.imports_passed_through():
    from activities.approval import ApprovalActivities, SettleCallInput
    from activities.returns import CallToolResult
    from activities.tool import CallToolInput, ToolActivities
    from activities.turns import CallModelResult, PlannedCall
    from domain.approval import ApprovalKind, DecideApproval
    from domain.tool import DELEGATE
    from domain.workspace import WorkspaceRef
    from workflows.children import Children, Parent
    from workflows.effects import beyond_doubt
    from workflows.options import RECORD
    from workflows.workspace import Seat


class Caller(Parent, Protocol):
    """A phase whose agent makes calls."""

    async def while_paused(self) -> None: ...

    async def ask(self, kind: ApprovalKind, approval_id: str) -> DecideApproval: ...


async def make_calls(caller: Caller, answer: CallModelResult) -> tuple[bool, list[str]]:
    """Whether a call ended the phase, and the fingerprints of calls with their results."""
    finished = False
    fingerprints: list[str] = []
    for together in _series(answer.calls):
        await caller.while_paused()
        if _kind(together[0]) == DELEGATE:
            results = await _delegate(caller, together)
        else:
            results = await asyncio.gather(*(_make_call(caller, call) for call in together))
        for result in results:
            if result is not None:
                finished = finished or result.finished
                fingerprints.append(result.fingerprint)
    return finished, fingerprints


def _series(calls: Sequence[PlannedCall]) -> Iterator[list[PlannedCall]]:
    """A write waits for all reads before it, and whoever must be asked about is asked about alone."""
    for at_once, series in groupby(calls, key=_kind):
        if at_once:
            yield list(series)
        else:
            yield from ([call] for call in series)


def _kind(call: PlannedCall) -> str:
    """Calls of one kind are made side by side; empty where a call is made alone."""
    if call.ask:
        return ""
    return DELEGATE if call.name == DELEGATE else "read" if call.tool_class == "read" else ""


async def _delegate(caller: Caller, planned: Sequence[PlannedCall]) -> list[CallToolResult]:
    """Children work side by side; what they did is taken over one after the other, in the order of the calls."""
    calls = {_key(caller, one): one.summary for one in planned}
    await Children(caller).work(list(calls))
    return [await call_tool(caller.seat, call, summary) for call, summary in calls.items()]


def _key(caller: Caller, planned: PlannedCall) -> str:
    return f"turn/{caller.turn}/call/{planned.index}"


async def _make_call(caller: Caller, planned: PlannedCall) -> CallToolResult | None:
    """None where a person's word was the result."""
    call = _key(caller, planned)
    if planned.tool_class == "human":
        await caller.ask("question", call)
        return await _settle(caller, call)
    if planned.ask and (await caller.ask("tool_call", call)).decision == "reject":
        return await _settle(caller, call)
    if planned.name == DELEGATE:
        return (await _delegate(caller, [planned]))[0]
    return await beyond_doubt(caller, lambda: call_tool(caller.seat, call, planned.summary))


async def _settle(caller: Caller, call: str) -> None:
    await workflow.execute_activity_method(
        ApprovalActivities.settle_call,
        SettleCallInput(run_id=caller.run_id, call=call),
        **RECORD,
        summary="a person's word is the result",
    )


async def set_up(seat: Seat) -> None:
    result = await call_tool(seat, "setup/call/0", "set up")
    if result.exit_code != 0:
        raise ApplicationError(
            "The setup command failed.",
            "Its output stands in the run's events under setup/call/0/returned.",
            type="SetupFailed",
            non_retryable=True,
        )


async def call_tool(seat: Seat, call: str, summary: str) -> CallToolResult:
    def asked(workspace: WorkspaceRef) -> CallToolInput:
        return CallToolInput(run_id=seat.run_id, call=call, workspace=workspace, agent=seat.agent)

    return await seat.call(ToolActivities.call_tool, asked, summary)
