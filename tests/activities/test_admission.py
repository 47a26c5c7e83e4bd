"""A turn is asked for only where its account has room, and what was reserved for it is given back or settled."""

import asyncio
import math
from collections.abc import Awaitable, Callable, Sequence
from datetime import UTC, datetime
from uuid import uuid4

import pytest
from temporalio.testing import ActivityEnvironment

from activities.dossiers import Dossiers
from activities.model import ModelActivities
from activities.turns import CallModelInput, CallModelResult
from adapters.journal.postgres import PostgresJournal
from adapters.prompts import FilePrompts
from domain.account import Amount, Bounds, Wanted
from domain.errors import ProviderUnavailable
from domain.limits import Limits
from domain.model import ModelAnswer, ModelCard, ModelRequest, Price, Text, Usage
from domain.secrets import Mask
from domain.terms import Site, TeamRules
from domain.weather import Place, WeatherRules
from tests.adapters.journal.samples import answer, submission

MARCH = datetime(2031, 3, 31, 23, 59, tzinfo=UTC)
USAGE = Usage(input_tokens=100, output_tokens=10)
PRICE = Price(input=1000, output=1000)
COST = 0.11


class Clock:
    def __init__(self, at: datetime = MARCH) -> None:
        self.at = at

    def now(self) -> datetime:
        return self.at


class Mind:
    """Says one word each time, at a price; `away` times it does not answer."""

    def __init__(self, price: Price = PRICE, away: int = 0) -> None:
        self.asked: list[ModelRequest] = []
        self.away = away
        self._price = price

    async def answer(
        self,
        request: ModelRequest,
        on_delta: Callable[[str, str], Awaitable[None]] | None = None,
        leaves_by: float = math.inf,
    ) -> ModelAnswer:
        self.asked.append(request)
        if len(self.asked) <= self.away:
            raise ProviderUnavailable("It is away.", retry_after_seconds=60)
        return ModelAnswer(blocks=(Text(text="Well."),), stop="end", usage=USAGE, model=request.model)

    def get(self, name: str) -> tuple["Mind", str]:
        return self, name

    def price(self, name: str) -> Price:
        return self._price

    def place(self, name: str) -> Place:
        return Place(endpoint="mind", model=name)

    def catalogue(self) -> Sequence[ModelCard]:
        return ()

    def check(self, name: str) -> None:
        """Takes every name."""

    async def close(self) -> None:
        """Holds nothing."""


class Runs:
    """Runs of one account, and the activity that asks for their turns."""

    def __init__(
        self, journal: PostgresJournal, mind: Mind, limits: Limits, site: Site | None = None, clock: Clock | None = None
    ) -> None:
        self.journal = journal
        self.limits = limits
        sky = (journal.weather, WeatherRules())
        made = (journal, Dossiers(journal), mind, FilePrompts(), clock or Clock(), Mask(), *sky, site or Site())
        self.activities = ModelActivities(*made)

    async def submit(self, account: str | None = None) -> str:
        run_id = str(uuid4())
        await self.journal.submit(submission(run_id, limits=self.limits).model_copy(update={"account": account}))
        return run_id

    async def ask(self, run_id: str, turn: int) -> CallModelResult:
        asked = CallModelInput(run_id=run_id, turn=turn, phase="work", agent="coder", model="scripted:a")
        return await ActivityEnvironment().run(self.activities.call_model, asked)

    async def keys(self, run_id: str) -> list[str]:
        return [one.key for one in await self.journal.read(run_id)]


async def test_a_turn_that_a_limit_refuses_is_not_asked_for_and_says_why(journal: PostgresJournal) -> None:
    mind = Mind()
    runs = Runs(journal, mind, Limits(turns=None, cost_usd=0.2))
    run_id = await runs.submit()
    assert [(await runs.ask(run_id, turn)).refusal for turn in (1, 2)] == [None, None]
    refusal = (await runs.ask(run_id, 3)).refusal
    assert refusal is not None
    assert (refusal.scope, refusal.limit, refusal.bounds.cost_usd) == ("run", "cost_usd", 0.2)
    assert refusal.spent == Amount(turns=2, tokens=220, cost_usd=2 * COST)
    assert len(mind.asked) == 2
    assert await runs.keys(run_id) == ["submitted", "turn/1", "turn/2"]


async def test_the_last_turn_that_there_is_begins_with_a_warning(journal: PostgresJournal) -> None:
    mind = Mind()
    runs = Runs(journal, mind, Limits(turns=2, cost_usd=None))
    run_id = await runs.submit()
    for turn in (1, 2):
        await runs.ask(run_id, turn)
    assert await runs.keys(run_id) == ["submitted", "turn/1", "wrap_up/turns=2", "turn/2"]
    assert "nearly reached" not in str(mind.asked[0].messages)
    assert "nearly reached" in str(mind.asked[1].messages[-1])


async def test_a_provider_that_does_not_answer_gives_back_what_was_reserved(journal: PostgresJournal) -> None:
    runs = Runs(journal, Mind(away=1), Limits())
    run_id = await runs.submit()
    with pytest.raises(ProviderUnavailable) as met:
        await runs.ask(run_id, 1)
    # Temporal writes down a failure with its cause, and the cause of that.
    assert met.value.__cause__ is not met.value
    account = await journal.account(run_id)
    assert account is not None
    assert (account.reserved, account.spent) == (Amount(), Amount())
    assert (await runs.ask(run_id, 1)).refusal is None


async def test_a_model_without_a_price_is_said_to_have_none_and_other_limits_hold(journal: PostgresJournal) -> None:
    runs = Runs(journal, Mind(Price(input=0, output=0)), Limits(turns=None, tokens=200, cost_usd=0.01))
    run_id = await runs.submit()
    answers = [await runs.ask(run_id, turn) for turn in (1, 2, 3)]
    assert [one.refusal.limit if one.refusal else None for one in answers] == [None, None, "tokens"]
    assert "price/scripted:a" in await runs.keys(run_id)
    account = await journal.account(run_id)
    assert account is not None
    assert account.unpriced == ("scripted:a",)


async def test_a_run_waits_visibly_while_another_holds_what_is_left(journal: PostgresJournal) -> None:
    runs = Runs(journal, Mind(), Limits(turns=2, cost_usd=None))
    root = await runs.submit()
    fork = await runs.submit(account=root)
    await runs.ask(root, 1)
    other = Wanted(
        run_id=root, key="turn/2", amount=Amount(turns=1), limits=runs.limits, team="ada", month=MARCH.date()
    )
    assert (await journal.admit(other)).verdict == "admitted"
    asking = asyncio.create_task(runs.ask(fork, 1))
    while (run := await journal.summary(fork)).status != "waiting":
        assert not asking.done()
        await asyncio.sleep(0.1)
    assert run.waiting_for == "capacity"
    assert "its account has left of turns" in run.waiting_reason
    await journal.release(other)
    assert (await asking).refusal is None
    assert (await journal.summary(fork)).status == "running"
    await journal.settle(other, Amount(turns=1), [answer(2)])


async def test_a_month_that_is_over_makes_room(journal: PostgresJournal) -> None:
    clock = Clock()
    site = Site(teams={"default": TeamRules(monthly_cost_usd=0.1)})
    runs = Runs(journal, Mind(), Limits(), site, clock)
    run_id = await runs.submit()
    assert (await runs.ask(run_id, 1)).refusal is None
    refusal = (await runs.ask(run_id, 2)).refusal
    assert refusal is not None
    assert (refusal.scope, refusal.team, refusal.bounds) == ("team", "ada", Bounds(cost_usd=0.1))
    clock.at = datetime(2031, 4, 1, tzinfo=UTC)
    assert refusal.until == clock.at
    assert (await runs.ask(run_id, 2)).refusal is None
