"""Requests of agents: what they may say, and what the model reads of the answer."""

from collections.abc import Awaitable, Callable
from typing import Any

import pytest
from pydantic import ValidationError

from activities.tools import TOOLS
from activities.tools.http import HTTP, HttpArguments, reach_out
from activities.turns import planned
from domain.effect import Receipt
from domain.errors import Forbidden, NotSent, RemoteUnavailable
from domain.event import EffectDone, TurnAnswered
from domain.model import AssistantMessage, ToolCall, Usage
from domain.policies import POLICIES
from domain.secrets import Mask
from domain.web import WebAnswer, WebRequest

SECRET = "ghp_" + "Zx9Yw8Vu7T" * 4


class Outside:
    """Answers as it is told; its ledger forgets nothing and doubts nothing."""

    mask = Mask()

    def __init__(self, answer: WebAnswer | Exception | None = None, by: str = "") -> None:
        self.answer = answer or WebAnswer(status=200, headers=(("Content-Type", "text/plain"),), body=b"fine")
        self.by = by
        self.sent: list[WebRequest] = []
        self.targets: list[str] = []

    async def send(self, request: WebRequest) -> WebAnswer:
        self.sent.append(request)
        if isinstance(self.answer, Exception):
            raise self.answer
        return self.answer

    async def perform(
        self, kind: str, target: str, about: str, request: Any, act: Callable[[str], Awaitable[Receipt]]
    ) -> EffectDone:
        self.targets.append(f"{target} {about}")
        receipt = {"number": 4} if self.by else await act("the-key")
        return EffectDone(effect=kind, target=target, key="effect/turn/1/call/0", receipt=receipt, by=self.by)


async def ask(outside: Outside, method: str = "POST", **more: Any) -> tuple[str, bool]:
    given = {"method": method, "url": "https://api.example.com/orders?token=x", **more}
    result = (await reach_out(HttpArguments.model_validate(given), outside)).result
    return result.text, result.is_error


async def test_a_change_goes_through_the_ledger_with_its_key(tmp_path: object) -> None:
    outside = Outside()
    text, wrong = await ask(outside, headers={"Content-Type": "application/json"}, body='{"a": 1}')
    assert (text, wrong) == ("Status 200\ncontent-type: text/plain\n\nfine", False)
    (request,) = outside.sent
    assert ("Idempotency-Key", "the-key") in request.headers
    assert ("Content-Type", "application/json") in request.headers
    assert (request.method, request.body) == ("POST", b'{"a": 1}')
    assert outside.targets == ["https://api.example.com/orders POST https://api.example.com/orders (8 bytes)"]


async def test_a_read_needs_no_ledger() -> None:
    outside = Outside()
    await ask(outside, "GET")
    assert outside.targets == []
    assert "Idempotency-Key" not in dict(outside.sent[0].headers)


async def test_secrets_are_hidden_and_long_answers_are_cut() -> None:
    body = f"the key is {SECRET}. ".encode() + b"x" * 50_000
    text, _ = await ask(Outside(WebAnswer(status=200, headers=(), body=body, cut=True)))
    assert SECRET not in text
    assert len(text) < 20_000
    assert text.endswith("[the rest of the body was not read]")


async def test_an_error_of_the_far_side_is_an_answer() -> None:
    text, wrong = await ask(Outside(WebAnswer(status=404, headers=(), body=b"")))
    assert (text, wrong) == ("Status 404\n\n(no body)", True)


@pytest.mark.parametrize("error", [Forbidden("api.example.com is not among the hosts"), NotSent("nobody there")])
async def test_what_was_not_sent_is_told_to_the_model(error: Exception) -> None:
    for method in ("GET", "POST"):
        text, wrong = await ask(Outside(error), method)
        assert wrong
        assert text.startswith("Nothing was sent: ")


async def test_a_read_without_an_answer_is_told_and_a_change_without_one_is_not_for_the_model_to_judge() -> None:
    lost = RemoteUnavailable("No answer could be read.")
    assert await ask(Outside(lost), "GET") == ("No answer could be read.", True)
    with pytest.raises(RemoteUnavailable):
        await ask(Outside(lost))


async def test_the_model_reads_what_a_person_found_out() -> None:
    text, wrong = await ask(Outside(by="grace"))
    assert "grace" in text
    assert '{"number": 4}' in text
    assert not wrong


@pytest.mark.parametrize("name", ["Host", "content-length", "Idempotency-Key", "Proxy-Authorization", "X\nY", ""])
async def test_some_headers_are_not_the_models(name: str) -> None:
    outside = Outside()
    _, wrong = await ask(outside, headers={name: "x"})
    assert wrong
    assert outside.sent == []


@pytest.mark.parametrize("wrong", [{"method": "TRACE"}, {"url": ""}, {"body": "x" * 300_000}])
def test_what_no_request_can_be_is_refused(wrong: dict[str, Any]) -> None:
    with pytest.raises(ValidationError):
        HttpArguments.model_validate({"method": "POST", "url": "https://example.com", **wrong})


def test_a_change_is_asked_about_and_a_read_is_not() -> None:
    calls = tuple(
        ToolCall(id=method, name="http", arguments=f'{{"method": "{method}", "url": "https://a.example/"}}')
        for method in ("GET", "POST")
    )
    turn = TurnAnswered(
        turn=1,
        phase="work",
        message=AssistantMessage(blocks=calls),
        stop="tool_calls",
        model="m",
        usage=Usage(),
        cost_usd=0,
    )
    made = planned(turn, ("http",), POLICIES["default"], ())
    assert [(one.tool_class, one.ask) for one in made.calls] == [("read", False), ("effect", True)]
    assert [one.tool_class for one in planned(turn, ("http",), POLICIES["read_only"], ()).calls] == ["read"]
    assert TOOLS["http"] is HTTP
