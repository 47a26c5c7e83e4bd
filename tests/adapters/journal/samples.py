"""Events that tests of the journal record."""

from datetime import UTC, datetime
from typing import Any

from domain.approval import ApprovalCard, DecideApproval
from domain.event import ApprovalDecided, ApprovalRequested, ToolReturned, ToolStarted, TurnAnswered
from domain.model import AssistantMessage, Text, ToolCall, Usage
from domain.ports.journal import CallCommit, Submission
from domain.record import NewEvent
from domain.repository import RepositorySpec
from domain.run import Phase, RunSpec
from domain.snapshot import SnapshotRef
from domain.tool import ToolResult
from domain.workspace import WorkspaceLease

LATER = datetime(2031, 1, 1, tzinfo=UTC)
CALL = "turn/1/call/0"


def submission(
    run_id: str, owner: str = "ada", key: str | None = None, task: str = "Mend it", **spec: Any
) -> Submission:
    wanted = RunSpec(task=task, repository=RepositorySpec(url="https://example.com/a.git"), **spec)
    return Submission(
        run_id=run_id, spec=wanted, model="scripted:a", owner=owner, idempotency_key=key, request_hash=task
    )


def answer(
    turn: int, phase: Phase = "work", tools: tuple[str, ...] = ("bash",), text: str = "", cost_usd: float = 0.25
) -> NewEvent:
    calls = tuple(ToolCall(id=f"call_{turn}_{at}", name=name, arguments="{}") for at, name in enumerate(tools))
    answered = TurnAnswered(
        turn=turn,
        phase=phase,
        message=AssistantMessage(blocks=(Text(text=text or f"answer {turn}"), *calls)),
        stop="tool_calls",
        model="a-1",
        usage=Usage(input_tokens=10, cache_read_tokens=5, cache_write_tokens=1, output_tokens=3, reasoning_tokens=2),
        cost_usd=cost_usd,
        seconds=1.5,
    )
    return NewEvent(key=f"turn/{turn}", event=answered)


def started(lease: WorkspaceLease, snapshot: str, attempt: int = 1, call: str = CALL) -> NewEvent:
    event = ToolStarted(
        call=call,
        name="bash",
        tool_class="write",
        subject="make",
        attempt=attempt,
        snapshot_id=snapshot,
        generation=lease.generation,
    )
    return NewEvent(key=f"{call}/started/{attempt}", event=event)


def returned(
    call: str = CALL, attempt: int = 1, snapshot: str | None = None, text: str = "done", **more: Any
) -> NewEvent:
    event = ToolReturned(
        call=call,
        name=more.pop("name", "bash"),
        subject="make",
        attempt=attempt,
        result=ToolResult(text=text, seconds=2.0),
        snapshot=SnapshotRef(id=snapshot, base="empty", pack="p") if snapshot else None,
        **more,
    )
    return NewEvent(key=f"{call}/returned", event=event)


def commit(
    lease: WorkspaceLease, started_from: str, to: str, attempt: int = 1, call: str = CALL, text: str = "done"
) -> CallCommit:
    return CallCommit(
        call=call,
        attempt=attempt,
        generation=lease.generation,
        started_from=started_from,
        returned=returned(call, attempt, to, text),
    )


def asked(approval_id: str, **subject: Any) -> NewEvent:
    card = ApprovalCard(approval_id=approval_id, kind="tool_call", title="May I?", subject=subject)
    return NewEvent(key=f"approval/{approval_id}/requested", event=ApprovalRequested(card=card))


def decided(approval_id: str) -> NewEvent:
    decision = DecideApproval(approval_id=approval_id, decision="approve", by="ada")
    return NewEvent(key=f"approval/{approval_id}/decided", event=ApprovalDecided(decision=decision))
