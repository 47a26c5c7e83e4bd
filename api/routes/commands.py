"""What people tell runs: pause, resume, cancel, and messages."""

import uuid_utils
from fastapi import APIRouter

from api.auth import SteerableRun, Submitter
from api.openapi import problems
from api.parts import ApiParts, Parts, Word
from api.schemas.commands import CancelRequest, CommandView, MessageRequest
from api.submission import run_input
from domain.errors import Conflict, NotFound
from domain.mailbox import CancelRun, PauseRun, ResumeRun, SendMessage
from domain.run import RunSummary
from domain.summary import ENDED

router = APIRouter(prefix="/runs/{run_id}", tags=["runs"], responses=problems(404, 409))


@router.post("/pause", status_code=202, response_model=CommandView)
async def pause_run(run: SteerableRun, parts: Parts, caller: Submitter) -> CommandView:
    """The run stops before its next step; a tool call that runs is finished first."""
    acknowledged = await tell(run, PauseRun(by=caller.owner), "pause", parts)
    return CommandView(run_id=run.run_id, command="pause", acknowledged=acknowledged)


@router.post("/resume", status_code=202, response_model=CommandView)
async def resume_run(run: SteerableRun, parts: Parts, caller: Submitter) -> CommandView:
    acknowledged = await tell(run, ResumeRun(by=caller.owner), "resume", parts)
    return CommandView(run_id=run.run_id, command="resume", acknowledged=acknowledged)


@router.post("/cancel", status_code=202, response_model=CommandView)
async def cancel_run(
    run: SteerableRun, parts: Parts, caller: Submitter, asked: CancelRequest | None = None
) -> CommandView:
    """Ends the run for good; a command that runs dies with it."""
    word = CancelRun(by=caller.owner, reason=asked.reason if asked else "")
    acknowledged = await tell(run, word, "cancel", parts)
    return CommandView(run_id=run.run_id, command="cancel", acknowledged=acknowledged)


@router.post("/messages", status_code=202, response_model=CommandView, responses=problems(400, 413))
async def send_message(asked: MessageRequest, run: SteerableRun, parts: Parts, caller: Submitter) -> CommandView:
    """The model reads it before its next answer."""
    if run.status in ENDED:
        raise Conflict(
            f"The run is {run.status}, and continuing finished runs is not there yet",
            "Start a new run, with what this one found out in its task.",
        )
    message_id = asked.message_id or str(uuid_utils.uuid7())
    word = SendMessage(message_id=message_id, text=asked.text, by=caller.owner)
    acknowledged = await tell(run, word, "take a message", parts)
    return CommandView(run_id=run.run_id, command="send_message", acknowledged=acknowledged, message_id=message_id)


async def tell(run: RunSummary, word: Word, doing: str, parts: ApiParts) -> bool:
    """Sends a word to a run that has not ended, and starts the run first where Temporal has not seen it yet."""
    if run.status in ENDED:
        raise Conflict(f"The run is {run.status}; there is nothing to {doing}", "Start a new run.")
    try:
        return await parts.runs.send(run.run_id, word)
    except NotFound:
        if run.status != "queued":
            raise
    await parts.runs.start(run_input(run, parts.settings))
    return await parts.runs.send(run.run_id, word)
