from domain.account import Amount
from domain.model import (
    AssistantMessage,
    ModelRequest,
    Price,
    Reasoning,
    Text,
    ToolCall,
    ToolMessage,
    ToolSchema,
    Usage,
    UserMessage,
)
from domain.worst_case import estimated_input, has_price, worst_case

PRICE = Price(input=2, output=10, cache_read=0.2, cache_write=2.5)
ANSWER = AssistantMessage(
    blocks=(
        Reasoning(provider="a", text="r" * 30, opaque={"signature": "s" * 300}),
        Text(text="t" * 60),
        ToolCall(id="call_1_0", name="bash", arguments='{"command": "true"}'),
    )
)
REQUEST = ModelRequest(
    model="a",
    system=("s" * 3000,),
    tools=(ToolSchema(name="bash", description="d" * 300, parameters={"type": "object"}),),
    messages=(UserMessage(text="u" * 600), ANSWER, ToolMessage(call_id="call_1_0", name="bash", text="o" * 900)),
    max_output_tokens=1000,
)


def test_the_worst_case_is_all_of_the_input_unread_by_any_cache_and_the_longest_answer() -> None:
    tokens = estimated_input(REQUEST)
    assert 5000 / 3 < tokens < 5600 / 3
    worst = worst_case(REQUEST, PRICE)
    assert worst == Amount(turns=1, tokens=tokens + 1000, cost_usd=(tokens * 2.5 + 1000 * 10) / 1_000_000)


def test_what_the_last_answer_was_counted_at_is_not_estimated_again() -> None:
    before = Usage(input_tokens=50, cache_read_tokens=4000, cache_write_tokens=100, output_tokens=200)
    assert estimated_input(REQUEST, before) == 4350 + 300


def test_other_scripts_take_more_tokens_a_character() -> None:
    greek = REQUEST.model_copy(update={"system": ("λ" * 3000,)})
    assert estimated_input(greek) - estimated_input(REQUEST) == 1000


def test_half_a_surrogate_pair_is_counted_too() -> None:
    torn = REQUEST.model_copy(update={"messages": (UserMessage(text="\ud83d" * 3),)})
    assert estimated_input(torn) > 0


def test_what_is_free_has_no_price() -> None:
    assert has_price(PRICE)
    assert not has_price(Price(input=0, output=0))
