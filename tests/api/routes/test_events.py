import asyncio
import json
import signal
from collections.abc import AsyncIterator, Sequence
from dataclasses import dataclass

import pytest

from api.parts import ApiParts
from domain.event import NoteAdded, RunEnded, RunStarted
from domain.record import LiveDelta
from domain.run import RunResult
from tests.api.conftest import Api, Serve
from tests.api.test_app import check_problem

ENDED = RunEnded(result=RunResult(status="completed", summary="done"))
STREAM = {"Accept": "text/event-stream"}


def note(number: int) -> tuple[str, NoteAdded]:
    return f"turn/1/note/{number}", NoteAdded(turn=1, phase="work", text=f"note {number}\r\n\nsecond line")


@dataclass
class Frame:
    event: str = ""
    id: str | None = None
    data: str = ""

    def json(self) -> dict[str, object]:
        return dict(json.loads(self.data))


async def frames(api: Api, run_id: str, **headers: str) -> AsyncIterator[Frame | str]:
    """As the specification of event streams reads them; comments are given as text."""
    async with api.client.stream("GET", f"/v1/runs/{run_id}/events", headers={**STREAM, **headers}) as answer:
        assert answer.status_code == 200
        assert answer.headers["content-type"].startswith("text/event-stream")
        found = Frame()
        async for line in answer.aiter_lines():
            name, _, value = line.partition(":")
            value = value.removeprefix(" ")
            if line.startswith(":"):
                yield value
            elif not line and (found.data or found.event):
                yield found
                found = Frame()
            elif name == "data":
                found.data += value
            elif name == "event":
                found.event = value
            elif name == "id":
                found.id = value


async def whole(api: Api, run_id: str, **headers: str) -> Sequence[Frame]:
    return [frame async for frame in frames(api, run_id, **headers) if isinstance(frame, Frame)]


async def test_a_page_holds_what_happened_and_where_to_go_on(shared_api: Api) -> None:
    run_id = await shared_api.start()
    await shared_api.record(run_id, *(note(number) for number in range(5)))
    page = (await shared_api.get(f"/v1/runs/{run_id}/events?limit=2")).json()
    assert [(one["seq"], one["key"], one["event"]["type"]) for one in page["items"]] == [
        (1, "submitted", "run_submitted"),
        (2, "turn/1/note/0", "note_added"),
    ]
    assert page["next_cursor"] == "2"
    rest = (await shared_api.get(f"/v1/runs/{run_id}/events?cursor=2")).json()
    assert [one["seq"] for one in rest["items"]] == [3, 4, 5, 6]
    assert (rest["next_cursor"], rest["last_seq"]) == (None, 6)
    empty = (await shared_api.get(f"/v1/runs/{run_id}/events?after=6")).json()
    assert (empty["items"], empty["last_seq"]) == ([], 6)
    typed = (await shared_api.get(f"/v1/runs/{run_id}/events?types=run_submitted,run_ended")).json()
    assert [one["seq"] for one in typed["items"]] == [1]


async def test_events_that_there_are_none_of_are_refused(shared_api: Api) -> None:
    run_id = await shared_api.start()
    problem = check_problem(await shared_api.get(f"/v1/runs/{run_id}/events?types=noise"), 422)
    assert "turn_answered" in problem["next_step"]
    check_problem(await shared_api.get(f"/v1/runs/{run_id}/events?after=-1"), 422)


@pytest.mark.parametrize("last", ["x", "-1", "1.5", "9" * 30, "\u00b2"])
async def test_a_last_event_id_that_is_none_is_refused(shared_api: Api, last: str) -> None:
    run_id = await shared_api.start()
    headers = {**STREAM, "Last-Event-ID": last.encode("latin-1")}
    check_problem(await shared_api.get(f"/v1/runs/{run_id}/events", headers=headers), 422)


async def test_the_stream_of_an_ended_run_is_sent_whole_and_ends(shared_api: Api) -> None:
    run_id = await shared_api.start()
    await shared_api.record(run_id, *(note(number) for number in range(600)), ("ended", ENDED))
    found = await whole(shared_api, run_id)
    assert [frame.id for frame in found] == [*(str(seq) for seq in range(1, 603)), None]
    assert found[0].event == "run_submitted"
    assert found[-1].event == "end"
    page = (await shared_api.get(f"/v1/runs/{run_id}/events?limit=1000")).json()
    assert [frame.json() for frame in found[:-1]] == page["items"]


async def test_a_stream_resumes_without_a_gap_while_events_are_written(api: Api) -> None:
    """The client breaks off again and again, in the middle of everything, and goes on from the last id it read."""
    run_id = await api.start()
    count = 400

    async def write() -> None:
        for start in range(0, count, 4):
            await api.record(run_id, *(note(number) for number in range(start, start + 4)))
            await asyncio.sleep(0.002)
        await api.record(run_id, ("ended", ENDED))

    writing = asyncio.create_task(write())
    seen: list[int] = []
    ended = False
    breaks = 0
    while not ended:
        stream = frames(api, run_id, **({"Last-Event-ID": str(seen[-1])} if seen else {}))
        taken = 0
        async for frame in stream:
            if isinstance(frame, str):
                continue
            if frame.id is not None:
                seen.append(int(frame.id))
            ended = frame.event == "end"
            taken += 1
            if ended or taken >= 17:
                breaks += 1
                break
        await stream.aclose()  # ty: ignore[missing-attribute] - an async generator
    await writing
    assert breaks > 10
    assert seen == list(range(1, count + 3))


async def test_many_readers_of_one_run_all_see_everything(api: Api) -> None:
    run_id = await api.start()
    reading = [asyncio.create_task(whole(api, run_id)) for _ in range(12)]
    for number in range(50):
        await api.record(run_id, note(number))
    await api.record(run_id, ("ended", ENDED))
    for found in await asyncio.gather(*reading):
        assert [frame.id for frame in found if frame.id] == [str(seq) for seq in range(1, 53)]


async def test_tokens_come_live_and_without_an_id(api: Api) -> None:
    run_id = await api.start()
    found: list[Frame] = []
    follows = asyncio.Event()

    async def read() -> None:
        async for frame in frames(api, run_id):
            if isinstance(frame, Frame):
                found.append(frame)
                follows.set()

    reading = asyncio.create_task(read())
    await follows.wait()
    delta = LiveDelta(run_id=run_id, turn=1, attempt=1, kind="text", text="Hel\nlo \u2028\x85 \U0001f600")
    for _ in range(100):
        await api.parts.journal.send_live(delta)
        await asyncio.sleep(0.02)
        if any(frame.event == "live" for frame in found):
            break
    await api.record(run_id, ("started", RunStarted()), ("ended", ENDED))
    await reading
    live = [frame for frame in found if frame.event == "live"]
    assert live
    assert {frame.id for frame in live} == {None}
    assert live[0].json() == delta.model_dump()
    assert [frame.id for frame in found if frame.id] == ["1", "2", "3"]


async def test_a_quiet_stream_is_kept_alive(shared_api: Api) -> None:
    run_id = await shared_api.start()
    async for frame in frames(shared_api, run_id, **{"Last-Event-ID": "1"}):
        if frame == "ping":
            break
    else:
        pytest.fail("no keep-alive came")


async def test_a_server_that_is_told_to_stop_ends_its_streams_without_an_end(parts: ApiParts, serve: Serve) -> None:
    # The server raises the signal again once it has stopped.
    before = signal.signal(signal.SIGTERM, lambda *_: None)
    try:
        async with serve(parts) as api:
            run_id = await api.start()
            found = []
            async for frame in frames(api, run_id):
                if isinstance(frame, Frame):
                    found.append(frame)
                    signal.raise_signal(signal.SIGTERM)
    finally:
        signal.signal(signal.SIGTERM, before)
    assert [frame.event for frame in found] == ["run_submitted"]
