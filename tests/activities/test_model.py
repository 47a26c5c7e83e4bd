"""One turn of a model, where two attempts ask at the same time."""

import asyncio
import math
import time
from collections.abc import Awaitable, Callable, Sequence
from uuid import uuid4

import pytest
from temporalio.testing import ActivityEnvironment

from activities.admission import LEAVES_SECONDS, UNDERWAY_SECONDS
from activities.dossiers import Dossiers
from activities.model import ModelActivities
from activities.turns import CallModelInput
from adapters.clock import SystemClock
from adapters.journal.postgres import PostgresJournal
from adapters.prompts import FilePrompts
from domain.errors import NotSent
from domain.model import ModelAnswer, ModelCard, ModelRequest, Price, ToolCall, Usage
from domain.secrets import Mask
from domain.terms import Site
from domain.weather import Place, WeatherRules
from tests.adapters.journal.samples import submission

GOOD = ToolCall(id="a", name="bash", arguments='{"command": "true"}')
BAD = ToolCall(id="b", name="bash", arguments="{}")


class TwoMinds:
    """Says one thing to the first who asks and another to the second; the second is answered first. With `seconds` the
    question of the first gets no further for so long, and does not leave once it is late."""

    def __init__(self, first: ToolCall, second: ToolCall, seconds: float = 0.0) -> None:
        self._answers = [first, second]
        self._second_is_told = asyncio.Event()
        self._seconds = seconds
        self.asked = 0

    async def answer(
        self,
        request: ModelRequest,
        on_delta: Callable[[str, str], Awaitable[None]] | None = None,
        leaves_by: float = math.inf,
    ) -> ModelAnswer:
        call = self._answers.pop(0)
        if self._answers:
            await asyncio.sleep(self._seconds)
            if time.monotonic() > leaves_by:
                raise NotSent("too late")
        self.asked += 1
        if self._answers:
            await self._second_is_told.wait()
        return ModelAnswer(blocks=(call,), stop="tool_calls", usage=Usage(), model=request.model)

    def go(self) -> None:
        self._second_is_told.set()

    def get(self, name: str) -> tuple["TwoMinds", str]:
        return self, name

    def place(self, name: str) -> Place:
        return Place(endpoint="two", model=name)

    def price(self, name: str) -> Price:
        return Price(input=1, output=1)

    def catalogue(self) -> Sequence[ModelCard]:
        return ()

    def check(self, name: str) -> None:
        """Takes every name."""

    async def close(self) -> None:
        """Holds nothing."""


async def results(journal: PostgresJournal, late: ToolCall, early: ToolCall) -> list[str]:
    """Keys of what the journal has after an attempt that was thought dead answered `late`, and its retry `early`."""
    return await two_attempts(journal, TwoMinds(late, early))


async def two_attempts(journal: PostgresJournal, models: TwoMinds) -> list[str]:
    run_id = str(uuid4())
    await journal.submit(submission(run_id))
    parts = (
        journal,
        Dossiers(journal),
        models,
        FilePrompts(),
        SystemClock(),
        Mask(),
        journal.weather,
        WeatherRules(),
        Site(),
    )
    activities = ModelActivities(*parts)
    asked = CallModelInput(run_id=run_id, turn=1, phase="work", agent="coder", model="scripted:a")
    first = asyncio.create_task(ActivityEnvironment().run(activities.call_model, asked))
    await asyncio.sleep(0.1)
    second = await ActivityEnvironment().run(activities.call_model, asked)
    models.go()
    assert await first == second
    return [event.key for event in await journal.read(run_id)]


async def test_what_a_late_attempt_said_wrongly_does_not_answer_the_calls_of_the_answer_that_stands(
    journal: PostgresJournal,
) -> None:
    assert await results(journal, late=BAD, early=GOOD) == ["submitted", "turn/1"]


async def test_a_malformed_call_is_answered_once(journal: PostgresJournal) -> None:
    assert await results(journal, late=GOOD, early=BAD) == ["submitted", "turn/1", "turn/1/call/0/returned"]


@pytest.mark.parametrize("seconds", [LEAVES_SECONDS + 0.2, LEAVES_SECONDS + UNDERWAY_SECONDS + 1.0])
async def test_an_attempt_that_was_stopped_before_it_asked_does_not_ask_for_what_its_retry_has_paid_for(
    journal: PostgresJournal, seconds: float
) -> None:
    models = TwoMinds(BAD, GOOD, seconds=seconds)
    assert await two_attempts(journal, models) == ["submitted", "turn/1"]
    assert models.asked == 1
