"""Bodies in rows and in blobs."""

from datetime import UTC, datetime
from pathlib import Path

from adapters.blobs import ObjectBlobs
from adapters.journal.bodies import INLINE_BYTES, Bodies
from domain.event import NoteAdded


def note(text: str) -> NoteAdded:
    return NoteAdded(turn=1, phase="work", text=text)


async def test_small_bodies_stay_in_their_row(tmp_path: Path) -> None:
    bodies = Bodies(ObjectBlobs(f"file://{tmp_path}"))
    body, blob = await bodies.store(note("short"))
    assert body is not None
    assert blob is None


async def test_the_cache_of_large_bodies_is_bounded_and_what_left_it_is_read_again(tmp_path: Path) -> None:
    bodies = Bodies(ObjectBlobs(f"file://{tmp_path}"), kept_bytes=4 * INLINE_BYTES)
    events = [note(str(number) * (INLINE_BYTES + 1)) for number in range(9)]
    stored = [await bodies.store(event) for event in events]
    assert all(body is None for body, _ in stored)
    rows = [(at, f"k{at}", datetime.now(UTC), None, blob) for at, (_, blob) in enumerate(stored)]
    for _ in range(2):
        assert [one.event for one in await bodies.recorded("r1", rows)] == events
    assert bodies._held <= 4 * INLINE_BYTES
