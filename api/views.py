"""From what the journal says to what clients are shown."""

from collections.abc import Sequence
from urllib.parse import quote

from api.parts import ApiSettings
from api.runs import workflow_id
from api.schemas.commands import ApprovalView, DecisionView
from api.schemas.journal import EventView
from api.schemas.lineage import ChildOfView, ChildView, LineageView
from api.schemas.pull_requests import PullRequestView
from api.schemas.runs import (
    LimitsView,
    PlanView,
    RepositoryView,
    ResultView,
    RunItem,
    RunLinks,
    RunView,
    SandboxView,
    UsageView,
    WorkView,
)
from api.standing import shown
from domain.approval import Approval, DecideApproval
from domain.child import ChildOf
from domain.event import WorkspaceOpened
from domain.model import Usage
from domain.pull_request import PullRequestRef
from domain.record import RecordedEvent
from domain.run import Fork, RunResult, RunSummary, title_of
from domain.summary import ENDED


def run_links(run: RunSummary, settings: ApiSettings) -> RunLinks:
    base = f"{settings.public_url.rstrip('/')}/v1/runs/{run.run_id}"
    ui = f"{settings.temporal_ui_url.rstrip('/')}/namespaces/{quote(settings.namespace, safe='')}"
    return RunLinks(
        self=base,
        events=f"{base}/events",
        conversation=f"{base}/conversation",
        diff=f"{base}/diff",
        files=f"{base}/files",
        snapshots=f"{base}/snapshots",
        usage=f"{base}/usage",
        pull_request=run.pull_request.url if run.pull_request else None,
        temporal_ui=f"{ui}/workflows/{quote(workflow_id(run.run_id), safe='')}",
    )


def run_item(run: RunSummary, settings: ApiSettings) -> RunItem:
    spec = run.spec
    work = run.result.work if run.result else None
    return RunItem(
        id=run.run_id,
        status=run.status,
        phase=run.phase,
        waiting_for=run.waiting_for,
        waiting_since=run.waiting_since,
        waiting_until=run.waiting_until,
        waiting_reason=run.waiting_reason,
        title=title_of(spec.task),
        agent=spec.agent,
        model=run.model,
        owner=run.owner,
        repository=RepositoryView(url=spec.repository.url, ref=spec.repository.ref) if spec.repository else None,
        labels=spec.labels,
        priority=spec.priority,
        turn=run.turn,
        cost_usd=run.cost_usd,
        lineage=lineage_view(run.fork) if run.fork else None,
        child_of=child_of_view(run.child) if run.child else None,
        superseded_by=run.superseded_by,
        kept=_kept(run),
        branch=work.branch if work else None,
        pull_request=pull_request_view(run.pull_request),
        created_at=run.created_at,
        updated_at=run.updated_at,
        links=run_links(run, settings),
    )


def lineage_view(fork: Fork) -> LineageView:
    told = fork.model_dump(include={"parent", "at", "root", "snapshot_id", "race", "replaces"})
    return LineageView(**told, turns=fork.spent.turns, cost_usd=round(fork.spent.cost_usd, 9))


def child_of_view(child: ChildOf) -> ChildOfView:
    told = child.model_dump(include={"parent", "call", "root", "depth"})
    return ChildOfView(**told, snapshot_id=child.snapshot.id)


def child_view(child: RunSummary, settings: ApiSettings) -> ChildView:
    return ChildView(
        id=child.run_id,
        call=child.child.call if child.child else "",
        agent=child.spec.agent,
        title=title_of(child.spec.task),
        status=child.status,
        waiting_for=child.waiting_for,
        waiting_reason=child.waiting_reason,
        url=run_links(child, settings).self,
    )


def waiting_reason(run: RunSummary, children: Sequence[RunSummary]) -> str:
    """With what its children wait for, where it waits for them: it is what a person must see to."""
    if run.waiting_for != "child":
        return run.waiting_reason
    waits = (one for one in children if one.waiting_for is not None)
    told = [f"run {one.run_id} waits for {one.waiting_for}: {one.waiting_reason}".rstrip(": ") for one in waits]
    return "; ".join([run.waiting_reason, *told])


def _kept(run: RunSummary) -> bool | None:
    if run.fork is None or run.fork.race is None:
        return None
    return True if run.kept else False if run.status in ENDED else None


def run_view(
    run: RunSummary,
    left: LimitsView,
    settings: ApiSettings,
    opened: WorkspaceOpened | None = None,
    children: Sequence[RunSummary] = (),
) -> RunView:
    told = {"waiting_reason": waiting_reason(run, children)}
    return RunView(
        **dict(run_item(run.model_copy(update=told), settings)),
        children=[child_view(one, settings) for one in children],
        task=run.spec.task,
        plan=PlanView.model_validate(run.plan.model_dump()) if run.plan else None,
        todo=list(run.todo),
        tool_policy=run.spec.tool_policy,
        publish=run.spec.publish,
        verify=list(run.spec.verify),
        model_now=run.model_now,
        fallback_models=list(run.fallback_models),
        model_changes=run.model_changes,
        resent_tokens=run.resent_tokens,
        usage=usage_view(run.usage),
        limits=shown(run.spec.limits),
        limits_left=left,
        base_commit=run.base_commit,
        snapshot_id=run.snapshot_id,
        verified=run.verified,
        sandbox=sandbox_view(opened) if opened else None,
        result=result_view(run.result) if run.result else None,
    )


def sandbox_view(opened: WorkspaceOpened) -> SandboxView:
    enforcement, terms = opened.enforcement, opened.terms
    return SandboxView(
        host=opened.host_id,
        kind=enforcement.sandbox,
        memory=enforcement.memory,
        processes=enforcement.processes,
        cpu=enforcement.cpu,
        disk=enforcement.disk,
        network=enforcement.network,
        notes=list(enforcement.notes),
        limits=terms.limits.model_dump(),
        hosts=[f"{one.host}:{port}" for one in terms.network for port in one.ports],
        image=terms.image,
    )


def result_view(result: RunResult) -> ResultView:
    work = result.work
    return ResultView(
        status=result.status,
        summary=result.summary,
        next_step=result.next_step,
        snapshot_id=result.snapshot_id,
        content_id=result.content_id,
        work=WorkView.model_validate(work.model_dump(exclude={"pack", "diff"})) if work else None,
        pushed=result.pushed,
        pull_request=pull_request_view(result.pull_request),
        verified=result.verified,
    )


def pull_request_view(opened: PullRequestRef | None) -> PullRequestView | None:
    return PullRequestView.model_validate(opened.model_dump()) if opened else None


def usage_view(usage: Usage) -> UsageView:
    return UsageView.model_validate(usage.model_dump())


def event_view(recorded: RecordedEvent) -> EventView:
    return EventView.model_construct(**dict(recorded))


def decision_view(decision: DecideApproval) -> DecisionView:
    return DecisionView.model_validate(decision.model_dump(exclude={"approval_id"}))


def approval_view(approval: Approval, settings: ApiSettings) -> ApprovalView:
    card = approval.card
    base = f"{settings.public_url.rstrip('/')}/v1/runs/{approval.run_id}/approvals"
    return ApprovalView(
        run_id=approval.run_id,
        status="decided" if approval.decision else "pending",
        **dict(card),
        requested_at=approval.requested_at,
        decision=decision_view(approval.decision) if approval.decision else None,
        decided_at=approval.decided_at,
        url=f"{base}/{quote(card.approval_id)}",
    )
