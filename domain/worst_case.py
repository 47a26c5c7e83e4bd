"""What a call of a model may use at worst: reserved before it is made."""

import json
from collections.abc import Iterable
from itertools import takewhile

from domain.account import Amount
from domain.model import AssistantMessage, Block, Message, ModelRequest, Price, Reasoning, Text, Usage

BYTES_PER_TOKEN = 3
"""Code has three to four, prose four, most other scripts three: what is estimated is rather too much."""


def worst_case(request: ModelRequest, price: Price, before: Usage | None = None) -> Amount:
    """`before` is what the last answer in the same conversation used: it was counted, so only the rest is estimated.

    Nothing is counted on a cache: it may have forgotten.
    """
    tokens = estimated_input(request, before)
    micro = tokens * max(price.input, price.cache_write) + request.max_output_tokens * price.output
    return Amount(turns=1, tokens=tokens + request.max_output_tokens, cost_usd=micro / 1_000_000)


def estimated_input(request: ModelRequest, before: Usage | None = None) -> int:
    if before is not None:
        fresh = takewhile(lambda one: not isinstance(one, AssistantMessage), reversed(request.messages))
        known = before.input_tokens + before.cache_read_tokens + before.cache_write_tokens + before.output_tokens
        return known + _tokens(sum(map(_bytes, fresh)))
    tools = sum(len(one.description) + len(json.dumps(one.parameters)) for one in request.tools)
    return _tokens(sum(map(_long, request.system)) + tools + sum(map(_bytes, request.messages)))


def has_price(price: Price) -> bool:
    """Whether money can be bounded at all: what costs nothing is what nobody knows the price of."""
    return price.input > 0 or price.output > 0


def _bytes(message: Message) -> int:
    return _blocks(message.blocks) if isinstance(message, AssistantMessage) else _long(message.text)


def _blocks(blocks: Iterable[Block]) -> int:
    total = 0
    for block in blocks:
        match block:
            case Text(text=text):
                total += _long(text)
            case Reasoning(text=text, opaque=opaque):
                total += _long(text) + len(json.dumps(opaque))
            case _:
                total += _long(block.name) + _long(block.arguments)
    return total


def _long(text: str) -> int:
    return len(text) if text.isascii() else len(text.encode(errors="surrogatepass"))


def _tokens(count: int) -> int:
    return -(-count // BYTES_PER_TOKEN)
