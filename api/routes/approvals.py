"""A person's word: what waits for it over all runs, and how it is given."""

import contextlib
from typing import Annotated, Literal

from fastapi import APIRouter, Path, Query, Response
from pydantic import Field, ValidationError

from api.auth import Caller, ReadableRun, Reader
from api.openapi import problems
from api.parts import ApiParts, Parts
from api.routes.commands import tell
from api.schemas.commands import ApprovalView, DecidedView, DecisionRequest
from api.schemas.value import Page, Request
from api.views import approval_view, decision_view
from domain.account import TeamLimits
from domain.approval import Approval, ApprovalCard, DecideApproval, Plan
from domain.effect import EffectWord
from domain.errors import CallerError, Conflict, Forbidden, InvalidRequest, NotFound
from domain.event import ApprovalDecided, ApprovalRequested
from domain.limits import raised
from domain.mailbox import MESSAGE_MAX_CHARACTERS
from domain.run import RunSummary
from domain.summary import ENDED

router = APIRouter(tags=["approvals"])
Limit = Annotated[int, Query(ge=1, le=200)]
Cursor = Annotated[str | None, Query(max_length=500)]

Status = Literal["pending", "decided"] | None


class Answer(Request):
    """What `edited` holds for a question."""

    answer: str = Field(min_length=1, max_length=MESSAGE_MAX_CHARACTERS)


@router.get("/approvals", response_model=Page[ApprovalView])
async def list_approvals(
    parts: Parts, caller: Reader, status: Status = None, limit: Limit = 50, cursor: Cursor = None
) -> Page[ApprovalView]:
    """The inbox over all runs that the caller sees. A page may be shorter than `limit` before the last one."""
    found, following = await parts.journal.approvals(status, limit, cursor)
    seen = [one for one in found if await _sees(caller, one, parts)]
    return Page[ApprovalView](items=[approval_view(one, parts.settings) for one in seen], next_cursor=following)


@router.get("/runs/{run_id}/approvals", response_model=Page[ApprovalView], responses=problems(404))
async def list_approvals_of_run(
    run: ReadableRun, parts: Parts, status: Status = None, limit: Limit = 50, cursor: Cursor = None
) -> Page[ApprovalView]:
    found, following = await parts.journal.approvals(status, limit, cursor, run.run_id)
    return Page[ApprovalView](items=[approval_view(one, parts.settings) for one in found], next_cursor=following)


@router.post(
    "/runs/{run_id}/approvals/{approval_id:path}",
    response_model=DecidedView,
    responses={
        202: {"model": DecidedView, "description": "Taken, and read once a worker is up"},
        **problems(400, 404, 409, 413),
    },
)
async def decide_approval(
    approval_id: Annotated[str, Path(max_length=200, examples=["turn/12/call/0"])],
    asked: DecisionRequest,
    run: ReadableRun,
    parts: Parts,
    caller: Reader,
    response: Response,
) -> DecidedView:
    """Accepted once: the same decision again answers the same, another one is refused."""
    card = await _card(run, approval_id, parts)
    _check_right(caller, run, card)
    _check_edited(card, asked, run)
    decision = DecideApproval(approval_id=approval_id, by=caller.owner, **asked.model_dump())
    if (decided := await _decided(run, approval_id, parts)) is not None:
        return _same(run, decided, decision)
    if run.status in ENDED:
        raise Conflict(f"The run is {run.status}; nothing is left to decide", "Start a new run.")
    try:
        acknowledged = await tell(run, decision, "decide", parts)
    except Conflict:
        # Somebody may have been faster, perhaps with the same word.
        if (decided := await _decided(run, approval_id, parts)) is None:
            raise
        return _same(run, decided, decision)
    if card.kind == "team_limit" and decision.decision == "approve":
        await _tell_team(run.run_id, card, decision, parts)
    response.status_code = 200 if acknowledged else 202
    return _view(run, decision, acknowledged)


async def _tell_team(run_id: str, card: ApprovalCard, decision: DecideApproval, parts: ApiParts) -> None:
    """What raises the limit for one run raises it for all that wait for the same; saying it twice raises it once."""
    cursor: str | None = None
    while True:
        found, cursor = await parts.journal.approvals("pending", 200, cursor)
        for one in found:
            same = one.card.kind == "team_limit" and one.card.subject.get("team") == card.subject.get("team")
            if same and one.run_id != run_id:
                word = decision.model_copy(update={"approval_id": one.card.approval_id})
                with contextlib.suppress(CallerError):
                    await parts.runs.send(one.run_id, word)
        if cursor is None:
            return


def _same(run: RunSummary, decided: DecideApproval, asked: DecideApproval) -> DecidedView:
    if (decided.decision, decided.edited, decided.scope) != (asked.decision, asked.edited, asked.scope):
        raise Conflict(
            f"This was decided already: {decided.decision} by {decided.by}",
            "A decision stands; send a message instead.",
        )
    return _view(run, decided, True)


def _view(run: RunSummary, decision: DecideApproval, acknowledged: bool) -> DecidedView:
    return DecidedView(
        run_id=run.run_id,
        approval_id=decision.approval_id,
        decision=decision_view(decision),
        acknowledged=acknowledged,
    )


async def _card(run: RunSummary, approval_id: str, parts: ApiParts) -> ApprovalCard:
    recorded = await parts.journal.find(run.run_id, f"approval/{approval_id}/requested")
    if recorded is None or not isinstance(recorded.event, ApprovalRequested):
        raise NotFound(
            f"The run has not asked for {approval_id!r}", "`GET .../approvals?status=pending` lists what it asks for."
        )
    return recorded.event.card


async def _decided(run: RunSummary, approval_id: str, parts: ApiParts) -> DecideApproval | None:
    recorded = await parts.journal.find(run.run_id, f"approval/{approval_id}/decided")
    return recorded.event.decision if recorded and isinstance(recorded.event, ApprovalDecided) else None


def _check_right(caller: Caller, run: RunSummary, card: ApprovalCard) -> None:
    """A question to the requester is theirs to answer, a team's limit an admin's; all else needs an approver."""
    if card.kind == "team_limit" and caller.role != "admin":
        raise Forbidden(f"The role {caller.role} may not raise a team's limit", "Ask an admin, or wait for its reset.")
    if caller.may("decide") or (card.kind == "question" and caller.steers(run.owner)):
        return
    raise Forbidden(f"The role {caller.role} may not decide this", "Ask an approver or an admin.")


def _check_edited(card: ApprovalCard, asked: DecisionRequest, run: RunSummary) -> None:
    """Said at once, since a run that reads it later has nobody to say it to."""
    try:
        if asked.edited is None:
            return
        if card.kind == "question":
            Answer.model_validate(asked.edited)
        elif card.kind == "plan":
            Plan.model_validate(asked.edited)
        elif card.kind == "effect":
            EffectWord.model_validate(asked.edited)
        elif card.kind == "limit":
            raised(run.spec.limits, "turns", asked.edited)
        elif card.kind == "team_limit":
            TeamLimits.model_validate(asked.edited)
    except ValidationError as error:
        at = [(("edited", *one["loc"]), one["msg"]) for one in error.errors()]
        fields = "; ".join(f"{'.'.join(map(str, place))}: {message}" for place, message in at)
        raise InvalidRequest(f"This does not fit a {card.kind}: {fields}"[:2000], "Mend `edited`.") from error


async def _sees(caller: Caller, approval: Approval, parts: ApiParts) -> bool:
    return caller.role != "submitter" or caller.sees((await parts.journal.summary(approval.run_id)).owner)
