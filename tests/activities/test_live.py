"""What is shown while it happens."""

import asyncio

from activities.live import COALESCE_SECONDS, LiveStream
from adapters.journal.postgres import PostgresJournal
from domain.record import LiveDelta
from domain.secrets import Mask
from tests.adapters.journal.samples import submission

KNOWN = "plant-7f3a9c1e5b"
TOKEN = "ghp_q7Zp2Lx9Vb4Nf8Rt1Kd6Wm3Hs5Yc0Jgabcd5"


async def shown(journal: PostgresJournal, run_id: str, kind: str, pieces: list[str]) -> str:
    """What a viewer saw of these pieces, each sent by itself."""
    await journal.submit(submission(run_id))
    seen: list[str] = []

    async def look() -> None:
        async for one in journal.follow(run_id, 0):
            if isinstance(one, LiveDelta):
                seen.append(one.text)

    looking = asyncio.create_task(look())
    stream = LiveStream(journal, run_id, 1, 1, Mask([KNOWN]))
    for piece in ["", *pieces, ""]:
        await asyncio.sleep(COALESCE_SECONDS * 1.5)
        await stream.send(kind, piece)
    await asyncio.sleep(COALESCE_SECONDS)
    looking.cancel()
    return "".join(seen)


async def test_a_secret_in_two_pieces_of_output_is_hidden(journal: PostgresJournal) -> None:
    seen = await shown(journal, "live-output", "output", ["one\nTOKEN=ghp_q7Zp2Lx9Vb4", f"{TOKEN[15:]}\ntwo\n", "held"])
    assert seen == "one\nTOKEN=[secret: github token]\ntwo\n"


async def test_a_known_secret_in_two_pieces_of_an_answer_is_hidden_and_words_come_at_once(
    journal: PostgresJournal,
) -> None:
    seen = await shown(journal, "live-text", "text", ["so pl", "ant-7f3", "a9c1e5b and", f" {TOKEN}"])
    assert seen == f"so [secret: credential of the stack] and {TOKEN}"
