"""Limits as admission, on the real Postgres."""

import asyncio
import random
import time
from datetime import date
from typing import Any
from uuid import uuid4

import pytest

from adapters.journal.postgres import PostgresJournal
from domain.account import Admission, Amount, Bounds, Raise, Wanted
from domain.approval import ApprovalCard
from domain.errors import NotFound
from domain.event import ApprovalRequested, RunEnded
from domain.limits import Limits
from domain.record import NewEvent
from domain.run import RunResult
from tests.adapters.journal.samples import answer, submission

MARCH = date(2031, 3, 1)
WORST = Amount(turns=1, tokens=100, cost_usd=1.0)
USED = Amount(turns=1, tokens=14, cost_usd=0.25)


def wanted(run_id: str, turn: int = 1, **more: Any) -> Wanted:
    given: dict[str, Any] = {"amount": WORST, "limits": Limits(turns=None, cost_usd=3.0), "team": "web", "month": MARCH}
    return Wanted(run_id=run_id, key=f"turn/{turn}", **(given | more))


async def run(journal: PostgresJournal, account: str | None = None, owner: str = "ada") -> str:
    run_id = str(uuid4())
    await journal.submit(submission(run_id, owner=owner).model_copy(update={"account": account}))
    return run_id


async def use(journal: PostgresJournal, run_id: str, turn: int, used: Amount = USED, **more: Any) -> Admission:
    """One call, from its reservation to its settlement."""
    asked = wanted(run_id, turn, **more)
    admitted = await journal.admit(asked)
    if admitted.verdict == "admitted":
        await journal.settle(asked, used, [answer(turn)])
    return admitted


async def test_the_worst_case_is_reserved_and_what_was_used_is_settled_with_the_turn(journal: PostgresJournal) -> None:
    run_id = await run(journal)
    admitted = await journal.admit(wanted(run_id))
    assert (admitted.verdict, admitted.account.reserved, admitted.account.spent) == ("admitted", WORST, Amount())
    (recorded,) = await journal.settle(wanted(run_id), USED, [answer(1)])
    assert recorded.key == "turn/1"
    account = await journal.account(run_id)
    assert account is not None
    assert (account.account_id, account.reserved, account.spent) == (run_id, Amount(), USED)
    assert account.bounds == Bounds(cost_usd=3.0)
    (month,) = await journal.months(MARCH)
    assert (month.team, month.spent, month.reserved) == ("web", USED, Amount())


async def test_a_turn_is_settled_once_whoever_comes_second(journal: PostgresJournal) -> None:
    run_id = await run(journal)
    await journal.admit(wanted(run_id))
    first = await journal.settle(wanted(run_id), USED, [answer(1)])
    assert await journal.settle(wanted(run_id), WORST, [answer(1, text="another")]) == first
    account = await journal.account(run_id)
    assert account is not None
    assert account.spent == USED


async def test_who_asks_again_for_a_turn_finds_its_own_reservation(journal: PostgresJournal) -> None:
    run_id = await run(journal)
    for attempt in (1, 2, 3):
        admitted = await journal.admit(wanted(run_id, attempt=attempt))
        assert admitted.verdict == "admitted"
        assert admitted.account.reserved == WORST
    await journal.release(wanted(run_id, attempt=2))
    assert (await account_of(journal, run_id)).reserved == WORST, "an earlier attempt gave back what is not its own"
    await journal.release(wanted(run_id, attempt=3))
    assert (await account_of(journal, run_id)).reserved == Amount()


async def test_one_attempt_at_a_time_may_ask_and_none_records_an_answer_meanwhile(journal: PostgresJournal) -> None:
    run_id = await run(journal)
    hung = wanted(run_id, asker="hung", asking_seconds=0.1)
    next_one = wanted(run_id, asker="next", asking_seconds=0.6)
    assert (await journal.admit(hung)).verdict == "admitted"
    assert (await journal.admit(next_one)).verdict == "asking"
    await asyncio.sleep(0.15)
    assert (await journal.admit(next_one)).verdict == "admitted"
    # It had its answer when it was stopped, and comes back with it while the other's question is on its way.
    assert not await journal.settle(hung, USED, [answer(1)])
    assert (await journal.admit(hung)).verdict == "asking"
    assert (await account_of(journal, run_id)).spent == Amount()
    await asyncio.sleep(0.65)
    (recorded,) = await journal.settle(hung, USED, [answer(1)])
    assert (await journal.settle(next_one, USED, [answer(1, text="another")]))[0] == recorded
    answered = await journal.admit(wanted(run_id, asker="third", asking_seconds=0.6))
    assert (answered.verdict, answered.account.reserved, answered.account.spent) == ("answered", Amount(), USED)


async def test_whoever_has_its_answer_need_not_wait_for_its_own_question(journal: PostgresJournal) -> None:
    run_id = await run(journal)
    asked = wanted(run_id, asker="one", asking_seconds=60.0)
    assert (await journal.admit(asked)).verdict == "admitted"
    assert (await journal.admit(asked)).verdict == "admitted"
    (recorded,) = await journal.settle(asked, USED, [answer(1)])
    assert recorded.key == "turn/1"


async def test_a_question_that_was_given_up_lets_the_next_one_leave(journal: PostgresJournal) -> None:
    run_id = await run(journal)
    given_up = wanted(run_id, asker="one", asking_seconds=60.0)
    await journal.admit(given_up)
    await journal.release(given_up)
    assert (await journal.admit(wanted(run_id, asker="two", asking_seconds=60.0))).verdict == "admitted"


@pytest.mark.parametrize("seed", range(4))
async def test_no_question_leaves_after_the_record_whoever_is_slow(journal: PostgresJournal, seed: int) -> None:
    """Six attempts of each turn, each slow or quick by chance at each step, as processes that are stopped would be."""
    run_id = await run(journal)
    chance = random.Random(seed)
    limits = Limits(turns=None, cost_usd=None)
    asked: list[tuple[int, float]] = []
    recorded_by: dict[int, float] = {}

    async def attempt(turn: int, number: int) -> None:
        await asyncio.sleep(chance.uniform(0.0, 0.4))
        since = time.monotonic()
        claim = wanted(run_id, turn, asker=f"{turn}/{number}", asking_seconds=0.15, limits=limits)
        while (admitted := await journal.admit(claim)).verdict == "asking":
            await asyncio.sleep(0.02)
            since = time.monotonic()
        if admitted.verdict == "answered":
            return
        await asyncio.sleep(chance.choice((0.0, 0.05, 0.3)))
        if time.monotonic() > since + 0.1:
            return
        asked.append((turn, time.monotonic()))
        await asyncio.sleep(chance.choice((0.0, 0.05, 0.3)))
        while True:
            if await journal.settle(claim, USED, [answer(turn)]):
                break
            await asyncio.sleep(0.02)
        recorded_by.setdefault(turn, time.monotonic())

    await asyncio.gather(*(attempt(turn, number) for turn in range(1, 9) for number in range(6)))
    assert [turn for turn, at in asked if at > recorded_by[turn]] == []
    assert (await account_of(journal, run_id)).spent.turns == len(recorded_by) > 4


async def test_what_does_not_fit_beside_others_waits_and_what_is_alone_may_use_the_rest(
    journal: PostgresJournal,
) -> None:
    root = await run(journal)
    forks = [await run(journal, account=root) for _ in range(3)]
    verdicts = [(await journal.admit(wanted(one))).verdict for one in (root, *forks)]
    assert verdicts == ["admitted", "admitted", "admitted", "held"]
    # Dearer than was thought: only a tenth is left, and whoever is alone may have it.
    for one in (root, *forks[:2]):
        await journal.settle(wanted(one), Amount(turns=1, tokens=50, cost_usd=0.97), [answer(1)])
    assert (await journal.admit(wanted(forks[2]))).verdict == "admitted"
    late = await journal.admit(wanted(root, 2))
    assert (late.verdict, late.scope, late.limit) == ("held", "run", "cost_usd")
    await journal.settle(wanted(forks[2]), WORST, [answer(1)])
    late = await journal.admit(wanted(root, 2))
    assert (late.verdict, late.scope, late.limit) == ("used_up", "run", "cost_usd")
    assert late.account.account_id == root
    assert late.account.spent.turns == 4


@pytest.mark.parametrize(
    ("limits", "calls", "limit"),
    [
        (Limits(turns=2, cost_usd=None), 2, "turns"),
        (Limits(turns=None, cost_usd=None, tokens=28), 2, "tokens"),
        (Limits(turns=None, cost_usd=0.3), 2, "cost_usd"),
    ],
)
async def test_each_limit_ends_at_its_call(journal: PostgresJournal, limits: Limits, calls: int, limit: str) -> None:
    run_id = await run(journal)
    verdicts = [await use(journal, run_id, turn, limits=limits) for turn in range(1, calls + 2)]
    assert [one.verdict for one in verdicts] == ["admitted"] * calls + ["used_up"]
    assert verdicts[-1].limit == limit


async def test_without_a_price_money_is_not_bounded_and_that_is_remembered(journal: PostgresJournal) -> None:
    run_id = await run(journal)
    free = Amount(turns=1, tokens=100)
    for turn in (1, 2):
        await use(journal, run_id, turn, used=Amount(turns=1, tokens=14), amount=free, unpriced="openai:mine")
    account = await account_of(journal, run_id)
    assert account.unpriced == ("openai:mine",)
    assert account.spent == Amount(turns=2, tokens=28)


async def test_a_raise_holds_for_the_whole_tree_and_the_same_word_twice_is_one(journal: PostgresJournal) -> None:
    root = await run(journal)
    fork = await run(journal, account=root)
    grandchild = await run(journal, account=fork)
    small = Limits(turns=1, cost_usd=None)
    await use(journal, root, 1, limits=small)
    assert (await journal.admit(wanted(grandchild, limits=small))).verdict == "used_up"
    for _ in range(2):
        raised = await journal.raise_account(fork, Raise(bounds={"turns": 2}))
        assert raised is not None
        assert raised.bounds == Bounds(turns=2)
    assert (await journal.admit(wanted(grandchild))).verdict == "admitted"
    lifted = await journal.raise_account(root, Raise(bounds={"turns": None, "tokens": 5000}, exactly=True))
    assert lifted is not None
    assert lifted.bounds == Bounds(turns=None, tokens=5000)


async def test_a_raise_that_names_less_than_what_holds_lowers_nothing(journal: PostgresJournal) -> None:
    run_id = await run(journal)
    assert await journal.raise_account(run_id, Raise(bounds={"turns": 5})) is None
    await use(journal, run_id, 1, limits=Limits(turns=10, cost_usd=None))
    raised = await journal.raise_account(run_id, Raise(bounds={"turns": 5, "cost_usd": 9}))
    assert raised is not None
    assert raised.bounds == Bounds(turns=10), "what did not bind is not bound by a raise"


async def test_a_run_that_ends_gives_back_what_it_has_reserved(journal: PostgresJournal) -> None:
    root = await run(journal)
    fork = await run(journal, account=root)
    await journal.admit(wanted(root))
    await journal.admit(wanted(fork))
    ended = RunEnded(result=RunResult(status="cancelled", summary="Enough."))
    await journal.record(fork, [NewEvent(key="ended", event=ended)])
    assert (await account_of(journal, root)).reserved == WORST


async def test_a_teams_month_bounds_all_its_runs_until_an_admin_raises_it_or_it_ends(journal: PostgresJournal) -> None:
    one, other, stranger = await run(journal), await run(journal), await run(journal)
    most = Bounds(cost_usd=0.5)
    rich = Limits(turns=None, cost_usd=None)
    for turn, run_id in enumerate((one, other), 1):
        assert (await use(journal, run_id, turn, limits=rich, team_bounds=most)).verdict == "admitted"
    refused = await journal.admit(wanted(one, 3, team_bounds=most))
    assert (refused.verdict, refused.scope, refused.limit) == ("used_up", "team", "cost_usd")
    assert refused.month.spent == Amount(turns=2, tokens=28, cost_usd=0.5)
    assert refused.month.ends.isoformat() == "2031-04-01T00:00:00+00:00"
    assert (await journal.admit(wanted(stranger, team="ops", team_bounds=most))).verdict == "admitted"
    april = date(2031, 4, 1)
    assert (await journal.admit(wanted(one, 3, team_bounds=most, month=april))).verdict == "admitted"
    for _ in range(2):
        raised = await journal.raise_month("web", MARCH, Raise(bounds={"cost_usd": 1.0}))
    assert raised.bounds == Bounds(cost_usd=1.0)
    assert (await journal.admit(wanted(other, 3, team_bounds=most))).verdict == "admitted"


async def test_runs_of_the_tree_that_wait_for_a_word_on_their_limit_are_found(journal: PostgresJournal) -> None:
    root = await run(journal)
    fork, stranger = await run(journal, account=root), await run(journal)
    for one, approval_id in ((root, "limit/1"), (fork, "limit/2"), (fork, "plan/1"), (stranger, "limit/1")):
        card = ApprovalCard(approval_id=approval_id, kind="limit", title="More?")
        asked = NewEvent(key=f"approval/{approval_id}/requested", event=ApprovalRequested(card=card))
        await journal.record(one, [asked])
    assert await journal.waiting_beside(root) == [(fork, "limit/2")]


async def test_an_unknown_run_is_not_admitted(journal: PostgresJournal) -> None:
    with pytest.raises(NotFound):
        await journal.admit(wanted(str(uuid4())))


async def test_many_at_once_reserve_no_more_than_there_is(journal: PostgresJournal) -> None:
    root = await run(journal)
    forks = [await run(journal, account=root) for _ in range(16)]
    admitted = await asyncio.gather(*(journal.admit(wanted(one)) for one in forks))
    assert sorted(one.verdict for one in admitted) == ["admitted"] * 3 + ["held"] * 13


async def account_of(journal: PostgresJournal, run_id: str) -> Any:
    found = await journal.account(run_id)
    assert found is not None
    return found
