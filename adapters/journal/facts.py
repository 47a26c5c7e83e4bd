"""What a new event does to the row of its run: the words that `journal_fold` and `journal_project` in SQL understand.

`marks` name the events that a summary is a fold of: the row keeps the seq of the last event under each name.
"""

import json
from typing import Any

from domain.event import (
    ApprovalDecided,
    ApprovalRequested,
    EffectDone,
    Event,
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
    RunSuperseded,
    StatusChanged,
    ToolReturned,
    TurnAnswered,
    TurnRefused,
    VerifyEnded,
    WorkspaceOpened,
)
from domain.pull_request import PULL_REQUEST
from domain.summary import ENDED, ends_refusals

_REFUSALS = ["refused", "refused_first"]
_FORGOTTEN_REFUSALS: dict[str, Any] = {"refused": False, "unmarks": _REFUSALS}


def facts(event: Event) -> str | None:
    """As JSON; None where the event changes no column."""
    found = _status_facts(event) or _content_facts(event)
    return json.dumps(found) if found else None


def _status_facts(event: Event) -> dict[str, Any]:
    match event:
        case RunStarted():
            return {"started": True, "status": "running", "marks": ["status"], **_FORGOTTEN_REFUSALS}
        case StatusChanged() as said:
            marks = ["status", "phase"] if said.phase else ["status"]
            changes = {"started": True, "status": said.status, "waiting_for": said.waiting_for, "marks": marks}
            forgotten = _FORGOTTEN_REFUSALS if ends_refusals(said) else {"unmarks": []}
            unmarks = forgotten["unmarks"] if said.status in ENDED else [*forgotten["unmarks"], "ended"]
            return {**changes, **forgotten, "unmarks": unmarks}
        case RunEnded(result=result):
            changes = {"started": True, "ended": True, "status": result.status, "marks": ["status", "ended"]}
            return {**changes, **_FORGOTTEN_REFUSALS}
        case TurnRefused():
            return {"refused": True, "marks": ["refused"], "first_mark": "refused_first"}
        case ApprovalRequested(card=card):
            return {"requested": card.approval_id}
        case ApprovalDecided(decision=decision):
            return {"decided": decision.approval_id}
    return {}


def _content_facts(event: Event) -> dict[str, Any]:
    match event:
        case TurnAnswered() as answered:
            spent = {**answered.usage.model_dump(), "cost_usd": answered.cost_usd}
            return {"turn": answered.turn, **spent, **_FORGOTTEN_REFUSALS}
        case ToolReturned() as returned:
            todo = {} if returned.todo is None else {"marks": ["todo"]}
            return todo if returned.snapshot is None else {**todo, "snapshot_id": returned.snapshot.id}
        case WorkspaceOpened(snapshot=snapshot):
            return {"snapshot_id": snapshot.id}
        case RepositoryResolved():
            return {"marks": ["repository"]}
        case PlanProposed() | PlanAccepted():
            return {"marks": ["plan"]}
        case VerifyEnded():
            return {"marks": ["verify"]}
        case EffectDone(effect=effect) if effect == PULL_REQUEST:
            return {"marks": ["pull_request"]}
        case RunForked():
            return {"marks": ["forked"]}
        case RunDelegated():
            return {"marks": ["delegated"]}
        case RunSuperseded():
            return {"marks": ["superseded"]}
        case RaceWon():
            return {"marks": ["race"]}
        case ModelChanged():
            return {"marks": ["model"], **_FORGOTTEN_REFUSALS}
        case LimitsRaised():
            return {"marks": ["limits"]}
    return {}
