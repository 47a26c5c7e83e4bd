"""What becomes of people's words: recorded, shown, and passed on to the phase that runs."""

from typing import Any, Protocol

from temporalio import workflow
from temporalio.exceptions import FailureError

with workflow.unsafe.imports_passed_through():
    from activities.approval import WAITING
    from domain.approval import ApprovalKind, DecideApproval
    from domain.event import StatusChanged
    from domain.mailbox import PauseRun, ResumeRun, SendMessage, ShowChildren, ShowWait
    from domain.run import Phase, RunInput, RunStatus, WaitingFor
    from workflows.approvals import PendingApproval
    from workflows.attributes import show_status
    from workflows.journal import record
    from workflows.mailbox import Word
    from workflows.notify import NotifyInput, notify


class Attended(Protocol):
    """The run whose people are attended to."""

    @property
    def given(self) -> RunInput: ...

    run_id: str
    pending: dict[str, ApprovalKind]
    words: list[Word]
    messages: list[SendMessage]
    paused: bool
    wait: ShowWait
    children: tuple[str, ...]

    def is_long(self) -> bool: ...


class Attendance:
    def __init__(self, run: Attended, phase: Phase = "open", records: int = 0) -> None:
        self.child: workflow.ChildWorkflowHandle[Any, Any] | None = None
        self.reads_messages = False
        """Whether the child is an agent, which reads what people write."""
        self._run = run
        self._phase: Phase = phase
        self.records = records
        """Of the run's own states, so far."""
        self._busy = False
        self._asked_to_make_way = False

    async def attend(self) -> None:
        """Until cancelled: takes one word after the other."""
        while True:
            await workflow.wait_condition(lambda: bool(self._run.words))
            self._busy = True
            try:
                await self._take(self._run.words.pop(0))
                await self._make_room()
            except FailureError as error:
                # Whoever cannot note one word must still hear the next.
                workflow.logger.warning("a word was not noted: %s", error)
            finally:
                self._busy = False

    async def caught_up(self) -> None:
        """Until every word said so far has reached whom it is for."""
        await workflow.wait_condition(lambda: not self._run.words and not self._busy)

    async def enter(self, phase: Phase) -> None:
        self._phase = phase
        await self._record(StatusChanged(status="running", phase=phase))
        self.show()

    async def accompany(self, child: workflow.ChildWorkflowHandle[Any, Any], reads: bool, paused: bool) -> None:
        """Words go to this phase from now on; it was started as `paused`, and hears what was said since."""
        self.child, self.reads_messages, self._asked_to_make_way = child, reads, False
        if self._run.paused != paused:
            await self._forward(*(("pause", PauseRun()) if self._run.paused else ("resume", ResumeRun())))
        early, self._run.messages = (self._run.messages, []) if reads else ([], self._run.messages)
        for message in early:
            await self._take(message)

    async def _make_room(self) -> None:
        """The run's history has grown long by words: its agent is to end its turn and let the run continue as new."""
        if self.reads_messages and not self._asked_to_make_way and self._run.is_long():
            self._asked_to_make_way = await self._forward("make_way")

    def show(self) -> None:
        """The run's status for whoever looks at Temporal."""
        status, waiting_for = self._status()
        wait = self._run.wait
        if status == "running" and wait.until is not None:
            status, waiting_for = "waiting", "provider"
        show_status(status, waiting_for)
        waits = f" for **{waiting_for}**" if waiting_for else ""
        if waiting_for == "provider" and wait.until is not None:
            waits += f", first until {wait.until:%Y-%m-%d %H:%M:%S} UTC\n\n{wait.reason}"
        waits += "".join(f"\n* `run/{one}`" for one in self._run.children)
        pending = "".join(f"\n* {kind}: `{one}`" for one, kind in self._run.pending.items())
        # Without the empty line the Web UI shows no list.
        asks = f"\n\nDecide over the API, or by the signal `decide_approval`:\n{pending}" if pending else ""
        workflow.set_current_details(f"### {self._phase}: {status}{waits}{asks}")

    async def _take(self, word: Word) -> None:
        match word:
            case SendMessage():
                if not self.reads_messages or not await self._forward("send_message", word):
                    self._run.messages.append(word)
            case PauseRun():
                await self._record(StatusChanged(status="paused", by=word.by))
                await self._forward("pause", word)
            case ResumeRun():
                status, waiting_for = self._status()
                await self._record(StatusChanged(status=status, waiting_for=waiting_for, by=word.by))
                await self._forward("resume", word)
            case DecideApproval():
                await self._forward("decide_approval", word)
            case PendingApproval():
                await self.tell_of_wait(word.approval_id)
            case ShowWait() | ShowChildren():
                # Neither provider nor child is told: there is nothing to pass on, but something to show.
                pass
        self.show()

    async def tell_of_wait(self, approval_id: str) -> None:
        """Whoever listens to the run hears that it waits for a person."""
        if self._run.given.listeners:
            told = NotifyInput(run_id=self._run.run_id, about=approval_id, listeners=self._run.given.listeners)
            await notify(told)

    async def _forward(self, name: str, *word: Word) -> bool:
        """False where no phase is there to hear it."""
        if self.child is None:
            return False
        try:
            await self.child.signal(name, args=word)
        except FailureError:
            # The phase has ended in the meantime; what it did not hear, the next one is told.
            return False
        return True

    def _status(self) -> tuple[RunStatus, WaitingFor | None]:
        if self._run.paused:
            return "paused", None
        for kind in self._run.pending.values():
            return "waiting", WAITING[kind]
        return ("waiting", "child") if self._run.children else ("running", None)

    async def _record(self, event: StatusChanged) -> None:
        self.records += 1
        await record(self._run.run_id, (f"status/run/{self.records}", event))
