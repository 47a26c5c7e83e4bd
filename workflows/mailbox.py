"""`run/<id>` as people talk to it: every update and signal of a run arrives here."""

from typing import Any

from pydantic import ValidationError
from temporalio import workflow
from temporalio.exceptions import ApplicationError

with workflow.unsafe.imports_passed_through():
    from domain.account import TeamLimits
    from domain.approval import ApprovalKind, DecideApproval, Plan
    from domain.effect import EffectWord
    from domain.limits import Limits, raised
    from domain.mailbox import (
        BY_ITSELF,
        BY_SIGNAL,
        CancelRun,
        LookAgain,
        PauseRun,
        ResumeRun,
        SendMessage,
        ShowChildren,
        ShowWait,
    )
    from workflows.approvals import PendingApproval
    from workflows.renewal import weight

FULL = 3
"""Nothing more is taken at so many times the events after which a run continues as new."""
FULL_BYTES = 1_000_000
"""Unread messages are handed on in one piece, of which Temporal takes two megabytes."""
BUSY = "The run was told so much that it takes no more until its agent has ended this turn."
Word = PauseRun | ResumeRun | SendMessage | DecideApproval | PendingApproval | ShowWait | ShowChildren


class Mailbox:
    """Handlers append to the state and do not await; whoever attends takes `words` in their order."""

    def __init__(self, signal_decisions: bool = True, events_per_execution: int = 1200) -> None:
        self.pending: dict[str, ApprovalKind] = {}
        self.decided: dict[str, DecideApproval] = {}
        self.seen_messages: dict[str, None] = {}
        self.bytes_told = 0
        """By messages, since a phase last handed over those that it had not read."""
        self.events_per_execution = events_per_execution
        self.words: list[Word] = []
        self.paused = False
        self.cancelled: CancelRun | None = None
        self.wait = ShowWait()
        """For the provider of its model, where `until` is set."""
        self.children: tuple[str, ...] = ()
        """Runs that it waits for."""
        self.closed = ""
        """Why nothing can be said any more; empty while it can."""
        self.deaf = ""
        """Why nobody would read a message any more; empty while somebody would."""
        self.signal_decisions = signal_decisions

    @workflow.signal
    def await_decision(self, input: PendingApproval) -> None:
        """From a phase: it is about to ask."""
        self.pending.setdefault(input.approval_id, input.kind)
        self._say(input)

    @workflow.signal
    def show_wait(self, input: ShowWait) -> None:
        """From the worker that asks the model."""
        self.wait = input
        self._say(input)

    @workflow.signal
    def show_children(self, input: ShowChildren) -> None:
        """From a phase that gave a part of its task to others."""
        self.children = input.runs
        self._say(input)

    @workflow.signal
    def look_again(self, input: LookAgain) -> None:
        """From a phase or a run of the same tree. Whoever else sends it gains nothing: limits are not kept here."""
        if self.pending.get(input.approval_id) in ("limit", "team_limit"):
            self._take_decision(
                DecideApproval(
                    approval_id=input.approval_id, decision="approve", by=BY_ITSELF, reason=input.reason[:1000]
                )
            )

    @workflow.update(name="pause")
    def update_pause(self, input: PauseRun) -> None:
        self._say(input)

    @update_pause.validator
    def _may_pause(self, input: PauseRun) -> None:  # noqa: ARG002 - a validator has its handler's signature
        self._refuse_if_closed()
        if self.paused:
            raise ApplicationError("The run is paused already.", type="Conflict")
        if self._is_full():
            raise ApplicationError(BUSY, "Try again in a while, or cancel it.", type="Conflict")

    @workflow.signal(name="pause")
    def signal_pause(self, input: PauseRun) -> None:
        if not self.closed and not self.paused and not self._is_full():
            self._say(input)

    @workflow.update(name="resume")
    def update_resume(self, input: ResumeRun) -> None:
        self._say(input)

    @update_resume.validator
    def _may_resume(self, input: ResumeRun) -> None:  # noqa: ARG002 - a validator has its handler's signature
        self._refuse_if_closed()
        if not self.paused:
            raise ApplicationError("The run is not paused.", type="Conflict")

    @workflow.signal(name="resume")
    def signal_resume(self, input: ResumeRun) -> None:
        if not self.closed and self.paused:
            self._say(input)

    @workflow.update(name="cancel")
    def update_cancel(self, input: CancelRun) -> None:
        self.cancelled = self.cancelled or input

    @update_cancel.validator
    def _may_cancel(self, input: CancelRun) -> None:  # noqa: ARG002 - a validator has its handler's signature
        self._refuse_if_closed()

    @workflow.signal(name="cancel")
    def signal_cancel(self, input: CancelRun) -> None:
        self.cancelled = self.cancelled or input

    @workflow.update(name="send_message")
    def update_message(self, input: SendMessage) -> None:
        self._take_message(input)

    @update_message.validator
    def _may_send(self, input: SendMessage) -> None:
        self._refuse_if_closed()
        if self.deaf and input.message_id not in self.seen_messages:
            raise ApplicationError(self.deaf, "Decide what it asks, or start another run.", type="Conflict")
        if self._is_full(weight(input)):
            raise ApplicationError(BUSY, "Try again in a while, or decide what it asks.", type="Conflict")

    @workflow.signal(name="send_message")
    def signal_message(self, input: SendMessage) -> None:
        # What the API leaves as a signal while nobody answers has been promised to be read.
        full = self.bytes_told + weight(input) > FULL_BYTES * 1.5
        if self.closed or self.deaf or full:
            workflow.logger.warning("a message by signal was not taken: %s", self.closed or self.deaf or BUSY)
        else:
            self._take_message(input)

    @workflow.update(name="decide_approval")
    def update_decision(self, input: DecideApproval) -> None:
        self._take_decision(input)

    @update_decision.validator
    def _may_decide(self, input: DecideApproval) -> None:
        if (reason := self._why_not(input)) is not None:
            raise reason

    @workflow.signal(name="decide_approval")
    def signal_decision(self, input: DecideApproval) -> None:
        if not self.signal_decisions:
            workflow.logger.warning("a decision by signal was not taken: they are switched off")
        elif (reason := self._why_not(input)) is not None:
            workflow.logger.warning("a decision by signal was not taken: %s", reason.message)
        else:
            by = input.by if input.by == BY_SIGNAL else f"{input.by}, by signal (unverified)"
            self._take_decision(input.model_copy(update={"by": by}))

    def _why_not(self, input: DecideApproval) -> ApplicationError | None:
        if (before := self.decided.get(input.approval_id)) is not None:
            if before.decision == input.decision:
                return None
            return ApplicationError(f"{before.by} has decided already: {before.decision}.", type="Conflict")
        if self.closed:
            return ApplicationError(self.closed, type="Conflict")
        if input.approval_id not in self.pending:
            known = ", ".join(self.pending) or "none"
            return ApplicationError(f"No approval {input.approval_id} is pending; pending: {known}.", type="NotFound")
        return _why_not_edited(self.pending[input.approval_id], input.edited)

    def _take_decision(self, input: DecideApproval) -> None:
        if input.approval_id in self.decided:
            return
        del self.pending[input.approval_id]
        self.decided[input.approval_id] = input
        self._say(input)

    def _take_message(self, input: SendMessage) -> None:
        """A message is the answer where the run has asked a question."""
        if input.message_id in self.seen_messages:
            return
        self.seen_messages[input.message_id] = None
        self.bytes_told += weight(input)
        questions = [one for one, kind in self.pending.items() if kind == "question"]
        if questions:
            edited = {"answer": input.text}
            self._take_decision(
                DecideApproval(approval_id=questions[0], decision="approve", by=input.by, edited=edited)
            )
        else:
            self._say(input)

    def _say(self, word: Word) -> None:
        if isinstance(word, PauseRun | ResumeRun):
            self.paused = isinstance(word, PauseRun)
        self.words.append(word)

    def is_long(self) -> bool:
        """Whether it is time to continue as new."""
        at = workflow.info()
        long = at.get_current_history_length() >= self.events_per_execution or at.is_continue_as_new_suggested()
        return long or self.bytes_told >= FULL_BYTES / FULL

    def _is_full(self, more: int = 0) -> bool:
        """What remains is for decisions, and for whoever resumes or cancels the run."""
        events = workflow.info().get_current_history_length()
        return events >= FULL * self.events_per_execution or self.bytes_told + more > FULL_BYTES

    def _refuse_if_closed(self) -> None:
        if self.closed:
            raise ApplicationError(self.closed, type="Conflict")


def _why_not_edited(kind: ApprovalKind, edited: dict[str, Any] | None) -> ApplicationError | None:
    """Refused at the door, since a value that cannot be read later would wedge the run."""
    try:
        if edited is not None and kind == "plan":
            Plan.model_validate(edited)
        if edited is not None and kind == "effect":
            EffectWord.model_validate(edited)
        if edited is not None and kind == "limit":
            raised(Limits(), "turns", edited)
        if edited is not None and kind == "team_limit":
            TeamLimits.model_validate(edited)
    except ValidationError as error:
        return ApplicationError(f"`edited` does not fit: {error}"[:2000], type="InvalidRequest")
    return None
