"""How often what was asked, beside the choice of turns and without any part in it."""

import threading

from adapters.models.scripted.question import Question
from domain.value import Value


class ConversationCount(Value):
    model: str
    first_user: str
    """The beginning of the task, to know the conversation by."""
    turns: dict[int, int]
    """Calls by turn, from 0."""


class Counts(Value):
    asked: int = 0
    """Requests that got a turn."""
    answered: int = 0
    """Those whose answer went out to the end."""
    refused: int = 0
    """Requests that were not well formed or not what the script expected."""
    faults: int = 0
    by_model: dict[str, int] = {}
    by_turn: dict[str, dict[int, int]] = {}
    by_conversation: dict[str, ConversationCount] = {}
    """By fingerprint of model, system, tools and first user message."""
    problems: tuple[str, ...] = ()
    """The last refusals."""


class Counter:
    """Thread-safe; `snapshot` copies."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self.clear()

    def clear(self) -> None:
        with self._lock:
            self._asked = self._answered = self._refused = self._faults = 0
            self._turns: dict[str, dict[int, int]] = {}
            self._conversations: dict[str, tuple[str, str, dict[int, int]]] = {}
            self._problems: list[str] = []

    def asked(self, question: Question) -> None:
        with self._lock:
            self._asked += 1
            turns = self._turns.setdefault(question.model, {})
            turns[question.turn] = turns.get(question.turn, 0) + 1
            opening = (question.model, question.first_user[:200], {})
            own = self._conversations.setdefault(question.fingerprint, opening)[2]
            own[question.turn] = own.get(question.turn, 0) + 1

    def answered(self) -> None:
        with self._lock:
            self._answered += 1

    def refused(self, message: str) -> None:
        with self._lock:
            self._refused += 1
            self._problems = [*self._problems[-19:], message]

    def faulted(self) -> None:
        with self._lock:
            self._faults += 1

    def snapshot(self) -> Counts:
        with self._lock:
            return Counts(
                asked=self._asked,
                answered=self._answered,
                refused=self._refused,
                faults=self._faults,
                by_model={model: sum(turns.values()) for model, turns in self._turns.items()},
                by_turn={model: dict(turns) for model, turns in self._turns.items()},
                by_conversation={
                    fingerprint: ConversationCount(model=model, first_user=first, turns=dict(turns))
                    for fingerprint, (model, first, turns) in self._conversations.items()
                },
                problems=tuple(self._problems),
            )
