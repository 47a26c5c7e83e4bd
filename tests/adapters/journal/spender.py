"""A program for `test_limits_killed`: four runs of one account that make calls until their limit is used up.

    python -m tests.adapters.journal.spender DSN SEED RUN_ID...

It may be killed at any moment and started again: each run goes on at its first turn that is not recorded.
"""

import asyncio
import random
import sys
from datetime import date

from adapters.blobs import ObjectBlobs
from adapters.journal.postgres import PostgresJournal
from domain.account import Amount, Wanted
from domain.limits import Limits
from tests.adapters.journal.samples import answer

LIMITS = Limits(turns=None, tokens=None, cost_usd=50.0)
WORST = Amount(turns=1, tokens=100, cost_usd=1.0)


async def spend(journal: PostgresJournal, run_id: str, chance: random.Random) -> None:
    turn = len(await journal.read(run_id, types=("turn_answered",))) + 1
    while True:
        wanted = Wanted(
            run_id=run_id, key=f"turn/{turn}", amount=WORST, limits=LIMITS, team="web", month=date(2031, 3, 1)
        )
        admitted = await journal.admit(wanted)
        if admitted.verdict == "used_up":
            return
        await asyncio.sleep(chance.uniform(0.0, 0.3))
        if admitted.verdict == "held":
            continue
        if chance.random() < 0.1:
            # The provider could not answer.
            await journal.release(wanted)
            continue
        # The answer says what it cost: as much as was reserved at most.
        used = Amount(turns=1, tokens=14, cost_usd=round(chance.uniform(0.05, 1.0), 6))
        await journal.settle(wanted, used, [answer(turn, cost_usd=used.cost_usd)])
        turn += 1


async def main(dsn: str, seed: str, *run_ids: str) -> None:
    journal = await PostgresJournal.connect(dsn, ObjectBlobs("memory://"), size=len(run_ids))
    print("ready", flush=True)  # noqa: T201  whoever kills it waits for this
    await asyncio.gather(*(spend(journal, run_id, random.Random(f"{seed}/{run_id}")) for run_id in run_ids))
    await journal.close()


if __name__ == "__main__":
    asyncio.run(main(*sys.argv[1:]))
