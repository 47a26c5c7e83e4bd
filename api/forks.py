"""Forks: from what a client asked for, and what the parent's journal says, to what the journal takes."""

import hashlib
from collections.abc import Sequence

from api.parts import ApiParts
from api.schemas.forks import ForkRequest, RewindRequest
from api.standing import TYPES, seconds_used
from api.submission import checked_model, limits
from domain.errors import Conflict, InvalidRequest
from domain.event import MessageReceived, NoteAdded, RunForked, ToolReturned
from domain.fork import READ, Cut, Trail
from domain.limits import Spent
from domain.notes import Note, note_text
from domain.ports import Forking, Journal, Submission
from domain.record import NewEvent, RecordedEvent
from domain.run import Fork, RunSummary
from domain.tool import ToolResult
from domain.value import Value

PAGE = 500
UNMADE = "This call was not made: the run was taken back to the moment before it. A message follows."


class Attempt(Value):
    """One of the runs that are asked for. `number` counts from 0 within its request."""

    run_id: str
    number: int = 0
    owner: str
    by: str
    """Who says the message."""
    message: str | None
    model: str | None
    race: str | None = None
    replaces: bool = False
    key: str | None = None
    """The request's Idempotency-Key."""


async def trail_of(journal: Journal, run_id: str) -> Trail:
    trail, after = Trail(), 0
    while page := await journal.read(run_id, after, PAGE, READ):
        trail.take(page)
        after = page[-1].seq
    return trail


def variants(asked: ForkRequest) -> list[tuple[str | None, str | None]]:
    """Message and model of each attempt."""
    if not asked.variants:
        return [(asked.message, asked.model)] * (asked.count or 1)
    if asked.message is not None or asked.count not in (None, len(asked.variants)):
        raise InvalidRequest(
            "variants: there is one for each attempt, with its own message", "Leave `count` and `message` out."
        )
    return [(one.message, one.model or asked.model) for one in asked.variants]


def check_race(parent: RunSummary, asked: ForkRequest) -> None:
    if asked.keep == "first_verified" and not parent.spec.verify:
        raise InvalidRequest(
            "keep: the run has no verify commands, so no fork of it could be the first to pass them",
            "Keep `all`, or start a run with `verify`.",
        )


async def submission(
    parent: RunSummary, cut: Cut, asked: RewindRequest, attempt: Attempt, parts: ApiParts
) -> Submission:
    """Raises InvalidRequest where the model is none of this server's."""
    turn = cut.turn if attempt.message is None else cut.answered
    fork = Fork(
        parent=parent.run_id,
        at=cut.at,
        root=parent.fork.root if parent.fork else parent.run_id,
        turn=turn,
        phase=cut.phase,
        finished=cut.finished and attempt.message is None,
        spent=cut.spent.model_copy(update={"seconds": await _seconds(parent, cut, parts.journal)}),
        again=cut.last if turn < cut.answered else Spent(),
        snapshot_id=cut.snapshot.id,
        race=attempt.race,
        replaces=attempt.replaces,
    )
    changes = {"limits": limits(cut.limits, asked.limits), "model": attempt.model or parent.spec.model}
    said = f"{parent.run_id} {attempt.replaces} {attempt.number} {asked.model_dump_json()}"
    model = checked_model(attempt.model or parent.model, parts)
    return Submission(
        run_id=attempt.run_id,
        spec=parent.spec.model_copy(update=changes),
        model=model,
        fallback_models=tuple(name for name in parent.fallback_models if name != model),
        owner=attempt.owner,
        # A header holds no newline, so that no client's own key is met.
        idempotency_key=attempt.key and (f"{attempt.key}\n{attempt.number}" if attempt.number else attempt.key),
        account=attempt.race,
        request_hash=hashlib.sha256(said.encode()).hexdigest(),
        forking=Forking(
            fork=fork,
            upto=cut.seq,
            answered=cut.answered,
            snapshot=cut.snapshot,
            marks=cut.marks,
            events=(NewEvent(key="forked", event=RunForked(fork=fork)), *_opening(cut, attempt)),
        ),
    )


def _opening(cut: Cut, attempt: Attempt) -> Sequence[NewEvent]:
    """What is added to the conversation, so that the model can be asked again."""
    following = cut.answered + 1
    if attempt.message is not None:
        said = MessageReceived(
            message_id="forked", turn=following, phase=cut.phase, text=attempt.message, by=attempt.by
        )
        return [*(_unmade(call, name) for call, name in cut.unmade), NewEvent(key="message/forked", event=said)]
    if cut.silent:
        note = note_text(Note(kind="cut_off" if cut.stop == "length" else "no_tool_call"))
        told = NoteAdded(turn=following, phase=cut.phase, text=note)
        return [NewEvent(key=f"turn/{following}/note/forked", event=told)]
    return ()


def _unmade(call: str, name: str) -> NewEvent:
    result = ToolResult(text=UNMADE, is_error=True)
    returned = ToolReturned(call=call, name=name, subject="", attempt=0, result=result)
    return NewEvent(key=f"{call}/returned", event=returned)


async def _seconds(parent: RunSummary, cut: Cut, journal: Journal) -> float:
    """The time that the run had used at that point."""
    before = parent.fork.spent.seconds if parent.fork else 0.0
    events: list[RecordedEvent] = []
    while page := await journal.read(parent.run_id, events[-1].seq if events else 0, PAGE, TYPES):
        events += page
    return round(before + seconds_used([one for one in events if one.seq <= cut.seq], cut.moment), 3)


def point_of(summary: RunSummary) -> Fork:
    """Of a run that a key named: it is a fork, since the body that came with the key asked for one."""
    if summary.fork is None:
        raise Conflict("This key named a run that is no fork", "Use a new key.")
    return summary.fork
