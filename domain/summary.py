"""A run as lists show it: a fold of its events."""

from collections.abc import Iterable
from typing import Any

from domain.errors import NotFound
from domain.event import (
    EffectDone,
    LimitsRaised,
    ModelChanged,
    PlanAccepted,
    PlanProposed,
    RaceWon,
    RepositoryResolved,
    RunDelegated,
    RunEnded,
    RunForked,
    RunStarted,
    RunSubmitted,
    RunSuperseded,
    StatusChanged,
    ToolReturned,
    TurnAnswered,
    TurnRefused,
    VerifyEnded,
    WorkspaceOpened,
)
from domain.model import Usage
from domain.pull_request import PULL_REQUEST, PullRequestRef
from domain.record import RecordedEvent
from domain.run import RunSummary

ENDED = ("completed", "failed", "cancelled")
_NO_WAIT: dict[str, Any] = {
    "waiting_for": None,
    "waiting_since": None,
    "waiting_until": None,
    "waiting_reason": "",
}


def summarize(run_id: str, events: Iterable[RecordedEvent]) -> RunSummary:
    """`spec.limits` are those in force, raised ones included. Raises NotFound without `RunSubmitted`."""
    summary: RunSummary | None = None
    refusals: list[RecordedEvent] = []
    for recorded in events:
        if isinstance(recorded.event, RunSubmitted):
            summary = _submitted(run_id, recorded, recorded.event)
        elif summary is not None:
            refusals = _refusals_after(refusals, recorded)
            changes = _status_changes(recorded, summary) or _content_changes(recorded, summary)
            summary = summary.model_copy(update={"updated_at": recorded.at, **changes})
    if summary is None:
        raise NotFound(f"There is no run {run_id}", "`perdure ls` lists the runs.")
    return _waiting_for_provider(summary, refusals)


def _submitted(run_id: str, recorded: RecordedEvent, event: RunSubmitted) -> RunSummary:
    return RunSummary(
        run_id=run_id,
        spec=event.spec,
        model=event.model,
        model_now=event.model,
        fallback_models=event.fallback_models,
        owner=event.owner,
        status="queued",
        created_at=recorded.at,
        updated_at=recorded.at,
    )


def _status_changes(recorded: RecordedEvent, summary: RunSummary) -> dict[str, Any]:
    match recorded.event:
        case RunStarted():
            return {"status": "running", **_NO_WAIT}
        case StatusChanged() as said:
            waits = said.waiting_for is not None
            return {
                "status": said.status,
                "phase": said.phase or summary.phase,
                "waiting_for": said.waiting_for,
                "waiting_since": recorded.at if waits else None,
                "waiting_until": said.until,
                "waiting_reason": said.reason,
                # A run that goes on after its end has no result until it ends again.
                "result": summary.result if said.status in ENDED else None,
            }
        case RunEnded() as ended:
            return {"status": ended.result.status, "result": ended.result, **_NO_WAIT}
    return {}


def _content_changes(recorded: RecordedEvent, summary: RunSummary) -> dict[str, Any]:
    match recorded.event:
        case TurnAnswered() as answered:
            return {
                "turn": max(summary.turn, answered.turn),
                "usage": summary.usage.plus(answered.usage),
                "cost_usd": summary.cost_usd + answered.cost_usd,
            }
        case ToolReturned() as returned:
            todo = {} if returned.todo is None else {"todo": returned.todo}
            return todo if returned.snapshot is None else {**todo, "snapshot_id": returned.snapshot.id}
        case WorkspaceOpened(snapshot=snapshot):
            return {"snapshot_id": snapshot.id}
        case RepositoryResolved(repository=repository):
            return {"base_commit": repository.commit}
        case PlanProposed(plan=plan) | PlanAccepted(plan=plan):
            return {"plan": plan}
        case VerifyEnded(passed=passed):
            return {"verified": passed}
        case EffectDone(effect=effect, receipt=receipt) if effect == PULL_REQUEST:
            return {"pull_request": PullRequestRef.model_validate(receipt)}
        case RunForked(fork=fork):
            # What was used up to there is the parent's.
            return {"fork": fork, "usage": Usage(), "cost_usd": 0.0}
        case RunDelegated(child=child):
            return {"child": child}
        case RunSuperseded(by=by):
            return {"superseded_by": by}
        case RaceWon():
            return {"kept": True}
        case ModelChanged() as changed:
            return {
                "model_now": changed.model,
                "model_changes": changed.number,
                "resent_tokens": changed.resent_tokens_in_all,
            }
        case LimitsRaised(limits=limits):
            return {"spec": summary.spec.model_copy(update={"limits": limits})}
    return {}


def _refusals_after(refusals: list[RecordedEvent], recorded: RecordedEvent) -> list[RecordedEvent]:
    """Refusals by the provider that nothing has ended yet."""
    if isinstance(recorded.event, TurnRefused):
        return [*refusals, recorded]
    if isinstance(recorded.event, StatusChanged):
        return [] if ends_refusals(recorded.event) else refusals
    ends_them = isinstance(recorded.event, TurnAnswered | ModelChanged | RunStarted | RunEnded)
    return [] if ends_them else refusals


def ends_refusals(said: StatusChanged) -> bool:
    """A run that is paused and goes on still waits for its provider."""
    return said.phase is not None or said.status in ENDED


def _waiting_for_provider(summary: RunSummary, refusals: list[RecordedEvent]) -> RunSummary:
    if not refusals or summary.status != "running":
        return summary
    last = refusals[-1].event
    assert isinstance(last, TurnRefused)
    return summary.model_copy(
        update={
            "status": "waiting",
            "waiting_for": "provider",
            "waiting_since": refusals[0].at,
            "waiting_until": last.until,
            "waiting_reason": last.reason,
        }
    )
