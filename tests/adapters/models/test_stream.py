"""Answers that go wrong, over real connections, in both wire formats."""

import asyncio
import json

import pytest

from adapters.models.endpoint import Patience
from domain.errors import PerdureError, ProviderRefused, ProviderUnavailable
from domain.model import ModelAnswer
from tests.adapters.models.asking import SHORT, WIRES, ask, http, made, raw_server

CHUNK = b'data: {"choices": [{"index": 0, "delta": {"content": "abc"}}]}\n\n'
BEGUN = (
    b'data: {"type": "message_start", "message": {"model": "m", "usage": {}}}\n\n'
    b'data: {"type": "content_block_start", "index": 0, "content_block": {"type": "text", "text": ""}}\n\n'
)
DELTA = b'data: {"type": "content_block_delta", "index": 0, "delta": {"type": "text_delta", "text": "abc"}}\n\n'
BEGINNING = {"openai": CHUNK, "anthropic": BEGUN + DELTA}
MORE = {"openai": CHUNK * 50, "anthropic": DELTA * 50}
EMPTY = {
    "openai": b'data: {"choices": [{"index": 0, "delta": {}, "finish_reason": "stop"}]}\n\ndata: [DONE]\n\n',
    "anthropic": b'data: {"type": "message_delta", "delta": {"stop_reason": "end_turn"}, "usage": {}}\n\n'
    b'data: {"type": "message_stop"}\n\n',
}

pytestmark = pytest.mark.parametrize("wire", WIRES)


async def outcome(wire: str, url: str, patience: Patience = SHORT) -> PerdureError | ModelAnswer:
    model = made(wire, url, patience)
    try:
        return await model.answer(ask("m"))
    except PerdureError as error:
        return error
    finally:
        await model.close()


async def test_an_answer_that_is_cut_off_is_asked_for_again(wire: str):
    async with raw_server(http(BEGINNING[wire])) as (url, _):
        error = await outcome(wire, url)
    assert isinstance(error, ProviderUnavailable)
    assert "before it was finished" in error.message


async def test_a_chunked_answer_without_its_end_is_asked_for_again(wire: str):
    piece = BEGINNING[wire]
    body = b"%x\r\n%s\r\n" % (len(piece), piece)
    async with raw_server(http(body, headers="transfer-encoding: chunked\r\n")) as (url, _):
        assert isinstance(await outcome(wire, url), ProviderUnavailable)


async def test_a_connection_closed_without_a_word_is_tried_again(wire: str):
    async with raw_server() as (url, requests):
        assert isinstance(await outcome(wire, url), ProviderUnavailable)
    assert len(requests) == 1, "only Temporal retries"


async def test_no_server_at_all_is_tried_again(wire: str):
    async with raw_server() as (url, _):
        pass
    assert isinstance(await outcome(wire, url), ProviderUnavailable)


async def test_a_stall_ends_at_the_read_timeout(wire: str):
    async with raw_server(http(BEGINNING[wire]), hold=True) as (url, _):
        error = await asyncio.wait_for(outcome(wire, url), 3)
    assert isinstance(error, ProviderUnavailable)
    assert "ReadTimeout" in error.message


async def test_signs_of_life_do_not_count_for_ever(wire: str):
    patience = SHORT.model_copy(update={"total_seconds": 0.6})
    async with raw_server(http(b""), *[b": still here\n\n"] * 200, pause_seconds=0.05) as (url, _):
        error = await asyncio.wait_for(outcome(wire, url, patience), 5)
    assert isinstance(error, ProviderUnavailable)
    assert "no whole answer in 0.6 s" in error.message


async def test_an_endless_answer_stops_at_its_cap(wire: str):
    async with raw_server(http(BEGINNING[wire]), MORE[wire], endless=True) as (url, _):
        error = await outcome(wire, url)
    assert isinstance(error, ProviderRefused)
    assert "200000 bytes" in error.message


async def test_an_endless_line_stops_at_its_cap(wire: str):
    async with raw_server(http(b"data: {"), b"x" * 10_000, endless=True) as (url, _):
        assert isinstance(await outcome(wire, url), ProviderRefused)


@pytest.mark.parametrize("body", [b"data: {oops\n\n", b"data: [1, 2]\n\n", b"data: \xff\xfe\n\n"])
async def test_what_is_not_json_is_asked_for_again(wire: str, body: bytes):
    async with raw_server(http(body)) as (url, _):
        error = await outcome(wire, url)
    assert isinstance(error, ProviderUnavailable)
    assert "the answer is not" in error.message


async def test_an_event_of_another_shape_is_asked_for_again(wire: str):
    odd = {"openai": {"choices": [7]}, "anthropic": {"type": "content_block_start", "content_block": 7}}[wire]
    async with raw_server(http(b"data: " + json.dumps(odd).encode() + b"\n\n")) as (url, _):
        error = await outcome(wire, url)
    assert isinstance(error, ProviderUnavailable)
    assert "unknown shape" in error.message


async def test_a_web_page_means_a_wrong_address(wire: str):
    async with raw_server(http(b"<html>Log in</html>", kind="text/html; charset=utf-8")) as (url, _):
        error = await outcome(wire, url)
    assert isinstance(error, ProviderRefused)
    assert error.next_step == "Check VENDOR_URL."


async def test_an_empty_answer_is_asked_for_again(wire: str):
    async with raw_server(http(EMPTY[wire])) as (url, _):
        error = await outcome(wire, url)
    assert isinstance(error, ProviderUnavailable)
    assert "empty" in error.message


async def test_a_body_of_nothing_is_asked_for_again(wire: str):
    async with raw_server(http(b"")) as (url, _):
        assert isinstance(await outcome(wire, url), ProviderUnavailable)


async def test_an_error_page_that_is_not_json_is_told(wire: str):
    async with raw_server(http(b"<h1>Bad Gateway</h1>", status="502 Bad Gateway", kind="text/html")) as (url, _):
        error = await outcome(wire, url)
    assert isinstance(error, ProviderUnavailable)
    assert "Bad Gateway" in error.message


async def test_an_address_without_a_scheme_is_ours_to_mend(wire: str):
    error = await outcome(wire, "vendor.test:80/x")
    assert isinstance(error, ProviderRefused)
    assert "VENDOR_URL" in error.next_step


async def test_crlf_and_split_events_are_read(wire: str):
    whole = BEGINNING[wire] + EMPTY[wire]
    pieces = [bytes([byte]) for byte in whole.replace(b"\n", b"\r\n")]
    async with raw_server(http(b""), *pieces) as (url, _):
        answer = await outcome(wire, url)
    assert isinstance(answer, ModelAnswer)
    assert answer.blocks[0].model_dump()["text"] == "abc"


async def test_an_error_of_the_listener_passes_as_it_is(wire: str):
    async def fail(kind: str, text: str) -> None:
        raise TimeoutError("of the listener")

    async with raw_server(http(BEGINNING[wire] + EMPTY[wire])) as (url, _):
        model = made(wire, url)
        with pytest.raises(TimeoutError, match="of the listener"):
            await model.answer(ask("m"), fail)
        await model.close()


async def test_a_cancelled_answer_ends_at_once(wire: str):
    async with raw_server(http(BEGINNING[wire]), hold=True) as (url, _):
        model = made(wire, url, SHORT.model_copy(update={"read_seconds": 60, "total_seconds": 60}))
        asked = asyncio.create_task(model.answer(ask("m")))
        await asyncio.sleep(0.5)
        asked.cancel()
        with pytest.raises(asyncio.CancelledError):
            await asyncio.wait_for(asked, 2)
        await model.close()
