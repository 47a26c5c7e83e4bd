"""What a person is shown before they decide, and what a decision means for the call it was about."""

from datetime import datetime
from typing import Any

from temporalio import activity

from activities.dossiers import Dossiers
from activities.jobs import job_of
from activities.pull_request import proposal_of, story_of
from activities.tools.summary import summary_of
from domain.approval import ApprovalCard, ApprovalKind, DecideApproval, about, moved
from domain.dossier import Dossier
from domain.effect import effect_id
from domain.errors import ModelMistake, NotFound
from domain.event import ApprovalDecided, ApprovalRequested, StatusChanged, ToolReturned, WorkCommitted
from domain.ports import Journal
from domain.record import NewEvent
from domain.repository import PublishedWork
from domain.run import WaitingFor
from domain.secrets import Mask
from domain.tool import ToolResult
from domain.value import Value

WAITING: dict[ApprovalKind, WaitingFor] = {
    "plan": "plan_approval",
    "tool_call": "tool_approval",
    "publish": "publish_approval",
    "question": "human_answer",
    "limit": "limit",
    "team_limit": "limit",
    "stuck": "stuck",
    "effect": "effect_in_doubt",
}


class RequestApprovalInput(Value):
    """`status_key` is the key of the status event that announces the wait."""

    run_id: str
    approval_id: str
    kind: ApprovalKind
    status_key: str
    subject: dict[str, Any] = {}
    reason: str = ""
    again: str = ""
    """Why it is asked about again."""
    until: datetime | None = None
    """When the wait ends by itself."""


class SettleApprovalInput(Value):
    run_id: str
    decision: DecideApproval


class SettleApprovalResult(Value):
    """`again` says why a yes does not hold any more, and a person has to be asked again; empty where it holds."""

    again: str = ""


class SettleCallInput(Value):
    """A call that a person answered or rejected: the model reads the decision as its result."""

    run_id: str
    call: str


class ApprovalActivities:
    def __init__(self, journal: Journal, dossiers: Dossiers, mask: Mask | None = None) -> None:
        self._journal = journal
        self._dossiers = dossiers
        self._mask = mask or Mask()

    @activity.defn
    async def request_approval(self, input: RequestApprovalInput) -> None:
        """Records the card and the wait in one transaction."""
        dossier = await self._dossiers.of(input.run_id)
        card = _card(input, dossier)
        if input.kind == "publish" and (work := await self._work(input.run_id)) is not None:
            card = _with_findings(_with_pull_request(card, work, dossier, self._mask), work)
        reason = f"Asked again: {card.again} {card.title}" if card.again else card.title
        waiting = StatusChanged(status="waiting", waiting_for=WAITING[input.kind], reason=reason, until=input.until)
        requested = NewEvent(key=f"approval/{input.approval_id}/requested", event=ApprovalRequested(card=card))
        await self._journal.record(input.run_id, [requested, NewEvent(key=input.status_key, event=waiting)])

    @activity.defn
    async def settle_approval(self, input: SettleApprovalInput) -> SettleApprovalResult:
        """Records the decision, and that the run goes on; a yes is held against the world as it is now."""
        decision, again = input.decision, ""
        if decision.decision == "approve":
            again = await self._moved(input.run_id, decision.approval_id)
        key = f"approval/{decision.approval_id}"
        events = [NewEvent(key=f"{key}/decided", event=ApprovalDecided(decision=decision))]
        if not again:
            goes_on = StatusChanged(status="running", by=decision.by)
            events.append(NewEvent(key=f"status/{key}/answered", event=goes_on))
        await self._journal.record(input.run_id, events)
        return SettleApprovalResult(again=again)

    async def _moved(self, run_id: str, approval_id: str) -> str:
        requested = await self._journal.find(run_id, f"approval/{approval_id}/requested")
        if requested is None or not isinstance(requested.event, ApprovalRequested):
            raise NotFound(f"run {run_id} has not asked for {approval_id}")
        snapshot_id, base_commit = _standing(await self._dossiers.of(run_id))
        return moved(requested.event.card, snapshot_id, base_commit)

    async def _work(self, run_id: str) -> PublishedWork | None:
        committed = await self._journal.read(run_id, types=("work_committed",))
        event = committed[-1].event if committed else None
        return event.work if isinstance(event, WorkCommitted) else None

    @activity.defn
    async def settle_call(self, input: SettleCallInput) -> None:
        dossier = await self._dossiers.of(input.run_id)
        said = dossier.said(input.call)
        decided = dossier.decided.get(input.call)
        if said is None or decided is None:
            raise NotFound(f"no decided call {input.call} in run {input.run_id}")
        if decided.decision == "approve":
            edited = decided.edited or {}
            result = ToolResult(text=str(edited.get("answer") or decided.reason or "Yes."))
        else:
            reason = f" They say: {decided.reason}" if decided.reason else ""
            result = ToolResult(text=f"A person refused this call; it was not made.{reason}", is_error=True)
        returned = ToolReturned(call=input.call, name=said.name, subject="", attempt=0, result=result)
        await self._journal.record(input.run_id, [NewEvent(key=f"{input.call}/returned", event=returned)])


def _card(input: RequestApprovalInput, dossier: Dossier) -> ApprovalCard:
    title, subject, risk = _about(input, dossier)
    snapshot_id, base_commit = _standing(dossier)
    return ApprovalCard(
        approval_id=input.approval_id,
        kind=input.kind,
        title=title,
        subject=subject,
        risk=risk,
        snapshot_id=snapshot_id,
        base_commit=base_commit,
        again=input.again,
    )


def _standing(dossier: Dossier) -> tuple[str | None, str | None]:
    """The world that a word is about: the committed snapshot, and the commit that the run works on."""
    snapshot, repository = dossier.snapshot, dossier.repository
    return snapshot.id if snapshot else None, repository.commit if repository else None


def _with_pull_request(card: ApprovalCard, work: PublishedWork, dossier: Dossier, mask: Mask) -> ApprovalCard:
    """One word is for both, so both are shown."""
    if dossier.spec.publish != "pull_request":
        return card
    wanted = proposal_of(dossier, work.branch, story_of(dossier, mask))
    asked = dossier.spec.pull_request.model_dump(mode="json", exclude={"title", "base"})
    told = {**wanted.model_dump(mode="json", exclude={"text"}), **wanted.text.model_dump(), **asked}
    title = "Push the work as shown by the run's diff, and open a pull request of it"
    return card.model_copy(update={"title": title, "subject": {**card.subject, "pull_request": told}})


def _with_findings(card: ApprovalCard, work: PublishedWork) -> ApprovalCard:
    """The person sees why they are asked."""
    if not work.findings:
        return card
    asking = [finding for finding in work.findings if finding.verdict == "ask"]
    said = "; ".join(dict.fromkeys(finding.message for finding in asking or work.findings))[:600]
    findings = [finding.model_dump(mode="json") for finding in work.findings]
    subject = {**card.subject, "findings": findings, "findings_count": work.findings_count}
    return card.model_copy(update={"subject": subject, "risk": f"{card.risk}: {said}"})


def _about(input: RequestApprovalInput, dossier: Dossier) -> tuple[str, dict[str, Any], str]:
    """Title, subject and risk of a card, by its kind."""
    match input.kind:
        case "plan" if dossier.proposed is not None:
            return dossier.proposed.summary[:300], dossier.proposed.model_dump(mode="json"), "read"
        case "tool_call" | "question":
            return _about_call(input, dossier)
        case "publish":
            return "Publish the work as shown by the run's diff", input.subject, "effect"
        case "effect":
            return _about_effect(input.approval_id, dossier)
        case "limit":
            return f"The run has used up its limit: {input.reason}. Raise it or stop?", input.subject, ""
        case "team_limit":
            return f"{input.reason}. An admin may raise the limit for this month, or stop the run", input.subject, ""
        case _:
            return f"The agent is stuck: {input.reason}. Go on or stop?", input.subject, ""


def _about_effect(approval_id: str, dossier: Dossier) -> tuple[str, dict[str, Any], str]:
    """What was sent where, when and by which attempt: all that a person has to find out whether it arrived."""
    found = dossier.ledger.in_doubt(approval_id)
    if found is None:
        raise NotFound(f"no effect {approval_id} in run {dossier.run_id}")
    intent, at = found
    subject = {
        "effect": intent.effect,
        "target": intent.target,
        "about": intent.about,
        "attempt": intent.attempt,
        "at": at.isoformat(),
        "request": intent.request,
        "id": effect_id(dossier.run_id, intent.key),
        "approve": "make it again",
        "reject": 'leave it as it is; `edited: {"receipt": {...}}` says what came of it',
    }
    if (said := dossier.said(intent.key.removeprefix("effect/"))) is not None:
        subject["arguments"] = said.arguments
    title = f"Was this done or not: {intent.about}? Nobody knows. Make it again, or leave it as it is?"
    return title[:600], subject, "effect"


def _about_call(input: RequestApprovalInput, dossier: Dossier) -> tuple[str, dict[str, Any], str]:
    call = about(input.approval_id)
    said = dossier.said(call)
    if said is None:
        raise NotFound(f"no call {call} in run {input.run_id}")
    try:
        job = job_of(call, dossier)
    except ModelMistake:
        return said.name, {"tool": said.name, "arguments": said.arguments}, ""
    arguments = job.arguments.model_dump(mode="json")
    if input.kind == "question":
        return str(arguments.get("question", said.name))[:300], arguments, "human"
    subject = {"tool": said.name, "arguments": arguments}
    return summary_of(said.name, job.subject), subject, job.tool.defined(job.arguments).tool_class
