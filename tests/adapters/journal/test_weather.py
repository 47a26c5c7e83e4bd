"""What runs on one key tell each other of their provider, in a real Postgres."""

import asyncio
from datetime import UTC, datetime
from itertools import pairwise

import pytest

from adapters.journal.postgres import PostgresJournal
from domain.errors import (
    KeyRefused,
    ProviderBusy,
    ProviderUnavailable,
    ProviderUnreachable,
    QuotaUsedUp,
)
from domain.weather import Outlook, Place, WeatherRules, gust

RULES = WeatherRules(first_wait_seconds=1.0, longest_wait_seconds=30, probe_seconds=30, trickle_per_second=20)
HERE = Place(endpoint="vendor/1", model="a")
OTHER_MODEL = Place(endpoint="vendor/1", model="b")
OTHER_KEY = Place(endpoint="vendor/2", model="a")


async def refuse(
    journal: PostgresJournal,
    error: ProviderUnavailable | KeyRefused,
    run: str = "r1",
    asked_at: datetime | None = None,
    place: Place = HERE,
) -> float:
    if asked_at is None:
        asked_at = (await journal.weather.enter(Place(endpoint="nobody", model=""), RULES)).asked_at
    return await journal.weather.heard(gust(error, place, run, asked_at, RULES), RULES, "seed")


async def enter(journal: PostgresJournal, place: Place = HERE) -> Outlook:
    return await journal.weather.enter(place, RULES)


async def test_in_fair_weather_everybody_may_ask(journal: PostgresJournal) -> None:
    outlook = await enter(journal)
    assert outlook.may_ask
    assert not outlook.stands
    assert abs((datetime.now(UTC) - outlook.asked_at).total_seconds()) < 60


async def test_what_one_hears_keeps_all_on_its_key_and_model_from_asking(journal: PostgresJournal) -> None:
    seconds = await refuse(journal, ProviderBusy("slow down", retry_after_seconds=30.0))
    assert 29 < seconds <= 30
    outlook = await enter(journal)
    assert not outlook.may_ask
    assert outlook.kind == "busy"
    assert outlook.reason == "slow down"
    assert 20 < outlook.seconds < 32
    assert (await enter(journal, OTHER_MODEL)).may_ask
    assert (await enter(journal, OTHER_KEY)).may_ask


async def test_a_lost_connection_a_quota_and_a_key_are_those_of_every_model_of_the_endpoint(
    journal: PostgresJournal,
) -> None:
    for number, error in enumerate((ProviderUnreachable("no route"), QuotaUsedUp("no credit"), KeyRefused("bad key"))):
        place = Place(endpoint=f"vendor/{number}", model="a")
        await refuse(journal, error, place=place)
        assert not (await enter(journal, place.model_copy(update={"model": "b"}))).may_ask


async def test_those_that_wait_are_told_to_come_back_one_after_the_other(journal: PostgresJournal) -> None:
    await refuse(journal, ProviderBusy("slow down", retry_after_seconds=10.0))
    outlooks = [await enter(journal) for _ in range(10)]
    times = [one.asked_at.timestamp() + one.seconds for one in outlooks]
    gaps = [after - before for before, after in pairwise(times)]
    assert gaps == pytest.approx([1 / RULES.trickle_per_second] * 9, abs=0.001)


async def test_after_the_wait_one_asks_and_the_others_wait_for_what_it_hears(journal: PostgresJournal) -> None:
    await asyncio.sleep(await refuse(journal, ProviderBusy("slow down")))
    outlooks = await asyncio.gather(*(enter(journal) for _ in range(12)))
    probes = [one for one in outlooks if one.may_ask]
    assert len(probes) == 1
    assert all(one.seconds > 0 for one in outlooks if not one.may_ask)
    await journal.weather.clear(HERE, probes[0])
    assert [(await enter(journal)).may_ask for _ in range(3)] == [True, True, True]


async def test_one_that_asks_and_dies_keeps_nobody_waiting_for_long(journal: PostgresJournal) -> None:
    short = RULES.model_copy(update={"probe_seconds": 3.0})
    await asyncio.sleep(await refuse(journal, ProviderBusy("slow down")))
    assert (await journal.weather.enter(HERE, short)).may_ask
    assert not (await journal.weather.enter(HERE, short)).may_ask
    await asyncio.sleep(short.probe_seconds)
    assert (await journal.weather.enter(HERE, short)).may_ask


async def test_one_that_gives_up_lets_the_next_one_ask_at_once(journal: PostgresJournal) -> None:
    await asyncio.sleep(await refuse(journal, ProviderBusy("slow down")))
    outlook = await enter(journal)
    assert not (await enter(journal)).may_ask
    await journal.weather.leave(HERE, outlook, RULES)
    assert (await enter(journal)).may_ask


async def test_a_burst_of_refusals_is_one_refusal_and_the_next_doubles_the_wait(journal: PostgresJournal) -> None:
    early = (await enter(journal)).asked_at
    rules = RULES.model_copy(update={"first_wait_seconds": 10.0, "longest_wait_seconds": 1000.0})

    async def heard(asked_at: datetime) -> float:
        told = gust(ProviderBusy("slow down"), HERE, "r1", asked_at, rules)
        return await journal.weather.heard(told, rules, "seed")

    first = await heard(early)
    burst = [await heard(early) for _ in range(5)]
    assert max(burst) < first + 1
    later = (await journal.weather.enter(HERE, rules)).asked_at
    assert 1.9 < await heard(later) / first < 2.1


async def test_an_answer_to_what_was_asked_before_the_refusal_clears_nothing(journal: PostgresJournal) -> None:
    early = await enter(journal)
    await refuse(journal, ProviderBusy("slow down", retry_after_seconds=30.0))
    await journal.weather.clear(HERE, early)
    assert not (await enter(journal)).may_ask


async def test_an_error_that_may_be_one_requests_own_is_shared_when_a_second_run_hears_it(
    journal: PostgresJournal,
) -> None:
    for _ in range(3):
        await refuse(journal, ProviderUnavailable("500"), run="r1")
    outlook = await enter(journal)
    assert outlook.may_ask
    assert outlook.stands
    await refuse(journal, ProviderUnavailable("500"), run="r2")
    assert not (await enter(journal)).may_ask


async def test_a_refused_key_is_tried_by_nobody_else_for_a_while(journal: PostgresJournal) -> None:
    await refuse(journal, KeyRefused("the key is wrong", "Check it."))
    outlook = await enter(journal)
    assert not outlook.may_ask
    assert (outlook.kind, outlook.reason, outlook.next_step) == ("key", "the key is wrong", "Check it.")
    assert 40 < outlook.seconds < 77


async def test_a_quota_is_waited_for_longer(journal: PostgresJournal) -> None:
    seconds = await refuse(journal, QuotaUsedUp("no credit", retry_after_seconds=1.0))
    assert 119 < seconds <= 120
