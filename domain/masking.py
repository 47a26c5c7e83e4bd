"""Secrets hidden in the values that the journal takes."""

from typing import TypeVar

from pydantic import TypeAdapter

from domain.event import (
    EffectFailed,
    Event,
    ModelChanged,
    RulesRead,
    RunEnded,
    StatusChanged,
    ToolReturned,
    TurnRefused,
)
from domain.ports.journal import CallCommit, Submission
from domain.record import LiveDelta, NewEvent
from domain.secrets import Mask
from domain.value import Value

V = TypeVar("V", bound=Value)

_NEW_EVENT: TypeAdapter[NewEvent] = TypeAdapter(NewEvent)
_SUBMISSION: TypeAdapter[Submission] = TypeAdapter(Submission)
_LIVE: TypeAdapter[LiveDelta] = TypeAdapter(LiveDelta)


def masked_event(new: NewEvent, mask: Mask) -> NewEvent:
    """What tools, repositories and vendors said without what looks like a secret; all of it without known ones."""
    event = _heard(new.event, mask)
    return _masked(new if event is new.event else new.model_copy(update={"event": event}), _NEW_EVENT, mask)


def masked_submission(submission: Submission, mask: Mask) -> Submission:
    return _masked(submission, _SUBMISSION, mask)


def masked_commit(commit: CallCommit, mask: Mask) -> CallCommit:
    hidden = masked_event(commit.returned, mask)
    return commit if hidden is commit.returned else commit.model_copy(update={"returned": hidden})


def masked_live(delta: LiveDelta, mask: Mask) -> LiveDelta:
    return _masked(delta, _LIVE, mask)


def _heard(event: Event, mask: Mask) -> Event:
    match event:
        case ToolReturned(result=result):
            text = mask.text(result.text)
            return _with(event, text == result.text, result=result.model_copy(update={"text": text}))
        case RunEnded(result=ended):
            text = mask.text(ended.summary)
            return _with(event, text == ended.summary, result=ended.model_copy(update={"summary": text}))
        case RulesRead():
            text = mask.text(event.text)
            return _with(event, text == event.text, text=text)
        case StatusChanged() | TurnRefused() | EffectFailed() | ModelChanged():
            text = mask.text(event.reason)
            return _with(event, text == event.reason, reason=text)
        case _:
            return event


def _with(event: Event, same: bool, **changes: object) -> Event:
    return event if same else event.model_copy(update=changes)


def _masked(given: V, adapter: TypeAdapter[V], mask: Mask) -> V:
    """The same object where nothing is to be hidden."""
    content = adapter.dump_json(given).decode()
    if mask.known(content) == content:
        return given
    return adapter.validate_python(mask.known_in(adapter.dump_python(given, mode="json")))
