"""Sixteen runs of one account at once, in four processes that are killed again and again."""

import asyncio
import itertools
import random
import signal
import sys
from pathlib import Path
from uuid import uuid4

import pytest

from adapters.journal.postgres import PostgresJournal
from domain.event import TurnAnswered
from tests.adapters.journal.samples import submission
from tests.adapters.journal.spender import LIMITS, WORST

KILLS = 10
ENOUGH_KILLS = 4
"""However quick the machine is."""
PROCESSES = 4
RUNS = 16
ROOT = Path(__file__).parents[3]


@pytest.mark.timeout(240)
async def test_sixteen_callers_and_kills_pass_the_limit_by_one_call_at_most(
    journal: PostgresJournal, database_url: str
) -> None:
    run_ids = [str(uuid4()) for _ in range(RUNS)]
    for run_id in run_ids:
        await journal.submit(submission(run_id).model_copy(update={"account": run_ids[0]}))
    chance, kills = random.Random(4), itertools.count(1)
    shares = [run_ids[at::PROCESSES] for at in range(PROCESSES)]
    watching = asyncio.create_task(watch(journal, run_ids[0]))
    try:
        await asyncio.gather(*(persist(database_url, share, chance, kills) for share in shares))
        assert not watching.done(), watching.exception()
    finally:
        watching.cancel()
    assert next(kills) > ENOUGH_KILLS
    most = LIMITS.cost_usd
    assert most is not None
    account = await journal.account(run_ids[0])
    assert account is not None
    assert most <= account.spent.cost_usd <= most + WORST.cost_usd
    assert account.reserved.turns == 0, "what was reserved for a call that was killed was found by the next attempt"
    answers = [
        one.event
        for run_id in run_ids
        for one in await journal.read(run_id, types=("turn_answered",))
        if isinstance(one.event, TurnAnswered)
    ]
    assert account.spent.turns == len(answers)
    assert account.spent.cost_usd == pytest.approx(sum(one.cost_usd for one in answers))


async def watch(journal: PostgresJournal, run_id: str) -> None:
    """At no moment more is spent and reserved than the limit and one call."""
    while True:
        account = await journal.account(run_id)
        if account is not None and LIMITS.cost_usd is not None:
            assert account.spent.cost_usd + account.reserved.cost_usd <= LIMITS.cost_usd + WORST.cost_usd
            assert account.reserved.turns <= RUNS
        await asyncio.sleep(0.02)


async def persist(database_url: str, run_ids: list[str], chance: random.Random, kills: "itertools.count[int]") -> None:
    """Starts the process again until it ends by itself."""
    while True:
        argv = (sys.executable, "-m", "tests.adapters.journal.spender", database_url, str(chance.random()), *run_ids)
        process = await asyncio.create_subprocess_exec(*argv, cwd=ROOT, stdout=asyncio.subprocess.PIPE)
        assert process.stdout is not None
        await process.stdout.readline()
        try:
            async with asyncio.timeout(chance.uniform(0.05, 0.4)):
                await process.wait()
        except TimeoutError:
            if next(kills) <= KILLS:
                process.send_signal(signal.SIGKILL)
        if await process.wait() == 0:
            return
        assert process.returncode == -signal.SIGKILL
