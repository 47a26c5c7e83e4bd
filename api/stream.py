"""The journal as server-sent events: what stands in it, then what comes, without a gap."""

import asyncio
import logging
from collections.abc import AsyncGenerator, AsyncIterator

from fastapi.sse import KEEPALIVE_COMMENT, format_sse_event

from api.views import event_view
from domain.errors import WorldError
from domain.ports import Journal
from domain.record import LiveDelta, RecordedEvent

LOG = logging.getLogger("perdure.api")
RECONNECT_MILLISECONDS = 1000
BUFFERED = 256
CHUNK_BYTES = 64 * 1024
LINE_ENDS = {0x85: "\\u0085", 0x2028: "\\u2028", 0x2029: "\\u2029"}
"""Not line ends for an event stream, but for the `splitlines` of many a client; JSON may write them so."""

Item = RecordedEvent | LiveDelta | None
"""None: there will be nothing more."""


async def frames(
    journal: Journal, run_id: str, after: int, keep_alive_seconds: float, stopping: asyncio.Event
) -> AsyncIterator[bytes]:
    """Ends with an `end` frame once the run has ended and all is sent. A break without one is to be resumed."""
    buffered: asyncio.Queue[Item] = asyncio.Queue(BUFFERED)
    pumping = asyncio.create_task(_pump(journal.follow(run_id, after), buffered))
    breaking = asyncio.create_task(_break(stopping, pumping, buffered))
    try:
        yield format_sse_event(retry=RECONNECT_MILLISECONDS)
        more = True
        while more:
            try:
                async with asyncio.timeout(keep_alive_seconds):
                    first = await buffered.get()
            except TimeoutError:
                yield KEEPALIVE_COMMENT
                continue
            chunk, more = _chunk(first, buffered)
            if chunk:
                yield chunk
        await asyncio.wait([pumping])
        if not pumping.cancelled() and pumping.result():
            yield format_sse_event(event="end", data_str=f'{{"run_id":"{run_id}"}}')
    finally:
        for task in (pumping, breaking):
            task.cancel()
        await asyncio.wait([pumping, breaking])


def _chunk(item: Item, buffered: asyncio.Queue[Item]) -> tuple[bytes, bool]:
    """What stands ready, up to a size, in one piece; and whether more may come."""
    chunk = bytearray()
    while item is not None:
        chunk += frame(item)
        if len(chunk) > CHUNK_BYTES or buffered.empty():
            return bytes(chunk), True
        item = buffered.get_nowait()
    return bytes(chunk), False


async def _break(stopping: asyncio.Event, pumping: asyncio.Task[bool], buffered: asyncio.Queue[Item]) -> None:
    await stopping.wait()
    pumping.cancel()
    await buffered.put(None)


def frame(item: RecordedEvent | LiveDelta) -> bytes:
    """Only recorded events have an id: what is shown live is not there to be resumed from."""
    if isinstance(item, LiveDelta):
        return format_sse_event(event="live", data_str=item.model_dump_json().translate(LINE_ENDS))
    body = event_view(item).model_dump_json().translate(LINE_ENDS)
    return format_sse_event(event=item.event.type, id=str(item.seq), data_str=body)


async def _pump(followed: AsyncIterator[RecordedEvent | LiveDelta], buffered: asyncio.Queue[Item]) -> bool:
    """True where the run has ended, False where the journal could not be followed on."""
    ended = False
    try:
        async for item in followed:
            # Somebody who reads too slowly misses live tokens, never events.
            if isinstance(item, RecordedEvent) or not buffered.full():
                await buffered.put(item)
        ended = True
    except WorldError as error:
        LOG.warning("an event stream broke: %s", error.message)
    except Exception:
        LOG.exception("an event stream broke")
    finally:
        if isinstance(followed, AsyncGenerator):
            await followed.aclose()
    await buffered.put(None)
    return ended
