"""An effect is made once, wherever an attempt dies, hangs or comes back; where nobody can know, a person says."""

import asyncio
from typing import Any
from uuid import uuid4

import pytest

from activities.dossiers import Dossiers
from activities.effects import Effects
from adapters.journal.postgres import PostgresJournal
from domain.approval import DecideApproval
from domain.effect import Effect, Receipt, effect_id, request_hash
from domain.errors import EffectInDoubt, EffectTaken, ModelMistake, NotSent, RemoteUnavailable, RepositoryRefused
from domain.event import ApprovalDecided, EffectDone, EffectFailed, EffectIntended
from domain.record import NewEvent
from tests.adapters.journal.samples import submission

KEY = "effect/turn/1/call/0"


class Killed(BaseException):
    """The worker dies here."""


class Place:
    """Somewhere outside: what was done there, and how an attempt fares at it."""

    def __init__(self, journal: PostgresJournal) -> None:
        self.journal = journal
        self.run_id = str(uuid4())
        self.done: list[str] = []
        self.repeatable = False

    async def perform(self, act: Any = None, probed: bool = False, worker: Effects | None = None) -> EffectDone:
        """One attempt of a worker that knows nothing but the journal."""
        effect = Effect(
            key=KEY,
            kind="http",
            target="https://example.com/orders",
            about="POST an order",
            request=request_hash("POST", "https://example.com/orders"),
            repeatable=self.repeatable,
        )
        worker = worker or Effects(self.journal, Dossiers(self.journal))
        return await worker.perform(self.run_id, effect, act or self.act, self.probe if probed else None)

    async def act(self) -> Receipt:
        self.done.append("order")
        return {"number": len(self.done)}

    async def act_and_die(self) -> Receipt:
        await self.act()
        raise Killed

    async def probe(self) -> Receipt | None:
        return {"number": len(self.done)} if self.done else None

    async def decide(self, decision: Any, attempt: int = 1, **more: Any) -> None:
        said = DecideApproval(approval_id=f"{KEY}/{attempt}", decision=decision, by="grace", **more)
        event = NewEvent(key=f"approval/{KEY}/{attempt}/decided", event=ApprovalDecided(decision=said))
        await self.journal.record(self.run_id, [event])

    async def keys(self) -> list[str]:
        kinds = ("effect_intended", "effect_done", "effect_failed")
        return [one.key.removeprefix(f"{KEY}/") for one in await self.journal.read(self.run_id, types=kinds)]


@pytest.fixture
async def place(journal: PostgresJournal) -> Place:
    made = Place(journal)
    await journal.submit(submission(made.run_id))
    return made


async def test_it_is_made_once_and_its_receipt_is_the_answer_ever_after(place: Place) -> None:
    first = await place.perform()
    assert (first.receipt, first.attempt, first.found, first.by) == ({"number": 1}, 1, False, "")
    assert await place.perform() == first
    assert place.done == ["order"]
    assert await place.keys() == ["intended/1", "done"]
    (intended,) = await place.journal.read(place.run_id, types=("effect_intended",))
    assert isinstance(intended.event, EffectIntended)
    assert (intended.event.target, intended.event.about) == ("https://example.com/orders", "POST an order")
    assert len(intended.event.request) == 64


async def test_what_can_be_probed_is_found_by_the_next_attempt(place: Place) -> None:
    with pytest.raises(Killed):
        await place.perform(place.act_and_die, probed=True)
    done = await place.perform(probed=True)
    assert (done.found, done.attempt, place.done) == (True, 1, ["order"])
    assert await place.keys() == ["intended/1", "done"]


async def test_what_cannot_be_probed_is_in_doubt_and_is_not_made_again(place: Place) -> None:
    with pytest.raises(Killed):
        await place.perform(place.act_and_die)
    for _ in range(3):
        with pytest.raises(EffectInDoubt) as doubt:
            await place.perform()
        assert doubt.value.approval_id == f"{KEY}/1"
    assert place.done == ["order"]
    assert await place.keys() == ["intended/1"]


async def test_a_person_says_that_it_was_made_and_what_came_of_it(place: Place) -> None:
    with pytest.raises(Killed):
        await place.perform(place.act_and_die)
    await place.decide("reject", edited={"receipt": {"number": 41}}, reason="I saw it.")
    done = await place.perform()
    assert (done.receipt, done.by, place.done) == ({"number": 41}, "grace", ["order"])
    assert await place.perform() == done


async def test_a_person_has_it_made_again_and_a_second_doubt_is_asked_about_anew(place: Place) -> None:
    with pytest.raises(Killed):
        await place.perform(place.act_and_die)
    await place.decide("approve")
    with pytest.raises(Killed):
        await place.perform(place.act_and_die)
    with pytest.raises(EffectInDoubt) as doubt:
        await place.perform()
    assert doubt.value.approval_id == f"{KEY}/2"
    await place.decide("approve", attempt=2)
    done = await place.perform()
    assert (done.attempt, done.by, len(place.done)) == (3, "", 3)


async def test_an_answer_that_is_lost_is_a_doubt_at_once(place: Place) -> None:
    async def lost() -> Receipt:
        await place.act()
        raise RemoteUnavailable("the connection was lost")

    with pytest.raises(EffectInDoubt):
        await place.perform(lost)
    assert place.done == ["order"]


@pytest.mark.parametrize("error", [NotSent("no route"), ModelMistake("not allowed"), RepositoryRefused("422")])
async def test_what_certainly_changed_nothing_is_tried_again_without_a_question(place: Place, error: Exception) -> None:
    async def refused() -> Receipt:
        raise error

    with pytest.raises(type(error)):
        await place.perform(refused)
    assert (await place.perform()).attempt == 2
    assert await place.keys() == ["intended/1", "failed/1", "intended/2", "done"]
    (failed,) = await place.journal.read(place.run_id, types=("effect_failed",))
    assert isinstance(failed.event, EffectFailed)
    assert str(error) in failed.event.reason


async def test_what_the_receiver_knows_again_is_simply_repeated(place: Place) -> None:
    place.repeatable = True
    with pytest.raises(Killed):
        await place.perform(place.act_and_die)
    assert (await place.perform()).attempt == 2
    assert effect_id(place.run_id, KEY) == effect_id(place.run_id, KEY) != effect_id(str(uuid4()), KEY)


class Hung:
    """A worker that hangs in one of its probes until it is let go on."""

    def __init__(self, place: Place, probe: int = 1) -> None:
        self.place = place
        self.left = probe
        self.reached = asyncio.Event()
        self.release = asyncio.Event()

    async def probe(self) -> Receipt | None:
        self.left -= 1
        if self.left == 0:
            self.reached.set()
            await self.release.wait()
        return None


async def test_a_zombie_whose_place_was_taken_does_not_act(place: Place) -> None:
    hung, effects = Hung(place), Effects(place.journal, Dossiers(place.journal))
    effect = Effect(key=KEY, kind="comment", target="#1", about="a comment", request="r")
    zombie = asyncio.create_task(effects.perform(place.run_id, effect, place.act, hung.probe))
    await hung.reached.wait()
    # The first of its probes comes before it takes a number, so that an outage leaves no row of intents.
    later = Hung(place, probe=2)
    fresh = Effects(place.journal, Dossiers(place.journal))
    second = asyncio.create_task(fresh.perform(place.run_id, effect, place.act, later.probe))
    await later.reached.wait()
    hung.release.set()
    with pytest.raises(EffectTaken):
        await zombie
    assert place.done == []
    later.release.set()
    assert (await second).attempt == 2
    assert place.done == ["order"]


async def test_a_zombie_that_comes_back_after_the_receipt_answers_with_it(place: Place) -> None:
    hung, effects = Hung(place), Effects(place.journal, Dossiers(place.journal))
    effect = Effect(key=KEY, kind="comment", target="#1", about="a comment", request="r")
    zombie = asyncio.create_task(effects.perform(place.run_id, effect, place.act, hung.probe))
    await hung.reached.wait()
    done = await place.perform(probed=True)
    hung.release.set()
    assert await zombie == done
    assert place.done == ["order"]


async def test_a_receipt_that_comes_late_ends_the_doubt_whatever_was_decided(place: Place) -> None:
    release, reached = asyncio.Event(), asyncio.Event()

    async def slow() -> Receipt:
        reached.set()
        await release.wait()
        return await place.act()

    zombie = asyncio.create_task(place.perform(slow))
    await reached.wait()
    with pytest.raises(EffectInDoubt):
        await place.perform()
    release.set()
    done = await zombie
    await place.decide("approve")
    assert await place.perform() == done
    assert place.done == ["order"]


async def test_of_many_workers_at_once_one_acts(place: Place) -> None:
    async def slow() -> Receipt:
        receipt = await place.act()
        await asyncio.sleep(0.2)
        return receipt

    async def one() -> bool:
        try:
            await place.perform(slow)
        except (EffectInDoubt, EffectTaken):
            return False
        return True

    assert any(await asyncio.gather(*(one() for _ in range(8))))
    assert place.done == ["order"]


async def test_an_outage_of_what_is_probed_leaves_one_intent(place: Place) -> None:
    effect = Effect(key=KEY, kind="comment", target="#1", about="a comment", request="r")

    async def away() -> Receipt | None:
        raise RemoteUnavailable("the forge is away")

    for _ in range(5):
        with pytest.raises(RemoteUnavailable):
            await Effects(place.journal, Dossiers(place.journal)).perform(place.run_id, effect, place.act, away)
    assert await place.keys() == ["intended/1"]
    assert (await place.perform(probed=True)).attempt == 2
