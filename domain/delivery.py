"""What a run tells others, as signed JSON."""

import hashlib
import hmac
import json
from datetime import datetime
from typing import Any

from domain.approval import ApprovalCard
from domain.run import RunResult, RunSummary

SHOWN = 2000
SIGNATURE = "Perdure-Signature"
DELIVERY = "Perdure-Delivery"


def signature(secret: str, body: bytes) -> str:
    """What a receiver computes over the bytes that it got, and compares."""
    return "sha256=" + hmac.new(secret.encode(), body, hashlib.sha256).hexdigest()


def told_of_end(run: RunSummary, result: RunResult, at: datetime, link: str) -> dict[str, Any]:
    opened = result.pull_request
    return {
        "type": "run.ended",
        "at": at.isoformat(),
        "run": {
            **_run(run, link),
            "status": result.status,
            "summary": result.summary[:SHOWN],
            "next_step": result.next_step[:SHOWN],
            "verified": result.verified,
            "branch": result.work.branch if result.work else None,
            "commit": result.work.commit if result.work else None,
            "pushed": result.pushed,
            "pull_request": opened.url if opened else None,
        },
    }


def told_of_wait(run: RunSummary, card: ApprovalCard, at: datetime, link: str) -> dict[str, Any]:
    """What it asks and where; the plan, the call or the diff itself is to be had over the API alone."""
    return {
        "type": "run.waiting",
        "at": at.isoformat(),
        "run": {**_run(run, link), "status": "waiting"},
        "approval": {
            "id": card.approval_id,
            "kind": card.kind,
            "title": card.title[:SHOWN],
            "risk": card.risk[:SHOWN],
            "decide": f"{link}/approvals/{card.approval_id}",
        },
    }


def _run(run: RunSummary, link: str) -> dict[str, Any]:
    """Nothing that changes while it is told: a delivery that is repeated has the same bytes."""
    return {
        "id": run.run_id,
        "title": " ".join(run.spec.task.strip().split("\n", 1)[0].split())[:200],
        "agent": run.spec.agent,
        "owner": run.owner,
        "labels": run.spec.labels,
        "repository": run.spec.repository.url if run.spec.repository else None,
        "url": link,
    }


def encoded(delivery: str, told: dict[str, Any]) -> bytes:
    return json.dumps({"delivery": delivery, **told}, separators=(",", ":"), sort_keys=True).encode()
