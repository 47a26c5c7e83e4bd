"""Which provider a name means, what it needs, and what it costs."""

import subprocess
import sys
from pathlib import Path

import pytest

from adapters.models import ProviderModels
from adapters.models.anthropic import AnthropicModel
from adapters.models.openai import OpenAIModel
from adapters.models.prices import SHIPPED, read_prices
from domain.errors import InvalidRequest, ProviderRefused
from domain.model import Price, Usage, cost_usd

ALL = {"OPENAI_API_KEY": "k", "ANTHROPIC_API_KEY": "k", "SCRIPTED_BASE_URL": "http://127.0.0.1:1"}


@pytest.mark.parametrize(
    ("name", "kind", "own"),
    [
        ("openai:gpt-6-sol", OpenAIModel, "gpt-6-sol"),
        ("openai:hf.co/org/model:Q4", OpenAIModel, "hf.co/org/model:Q4"),
        ("anthropic:claude-opus-5-5", AnthropicModel, "claude-opus-5-5"),
        ("scripted:demo", OpenAIModel, "demo"),
        ("scripted:anthropic/echo@3", AnthropicModel, "echo@3"),
    ],
)
def test_a_name_means_a_provider_and_its_own_name(name: str, kind: type, own: str):
    models = ProviderModels(ALL)
    model, rest = models.get(name)
    assert isinstance(model, kind)
    assert rest == own
    assert models.get(name)[0] is model, "one client per provider"
    models.check(name)


@pytest.mark.parametrize("name", ["", "gpt-6-sol", "openai:", "nobody:model", ":x"])
def test_a_name_that_means_nothing_is_refused_with_the_providers(name: str):
    models = ProviderModels(ALL)
    with pytest.raises(InvalidRequest) as caught:
        models.check(name)
    assert "openai, anthropic, scripted" in caught.value.next_step
    with pytest.raises(ProviderRefused):
        models.get(name)


@pytest.mark.parametrize(
    ("name", "variable"),
    [
        ("openai:gpt-6-sol", "OPENAI_API_KEY"),
        ("anthropic:claude-opus-5-5", "ANTHROPIC_API_KEY"),
        ("scripted:demo", "SCRIPTED_BASE_URL"),
        ("scripted:anthropic/demo", "SCRIPTED_BASE_URL"),
    ],
)
def test_a_missing_key_is_named(name: str, variable: str):
    models = ProviderModels({})
    with pytest.raises(InvalidRequest) as caught:
        models.check(name)
    assert variable in caught.value.next_step
    with pytest.raises(ProviderRefused) as refused:
        models.get(name)
    assert variable in refused.value.next_step


def test_a_local_server_needs_no_key():
    ProviderModels({"OPENAI_BASE_URL": "http://127.0.0.1:11434/v1"}).check("openai:qwen3")


def test_checking_and_listing_load_no_vendor():
    code = (
        "import sys; from adapters.models import ProviderModels; m = ProviderModels({'OPENAI_API_KEY': 'k'});"
        "m.check('openai:x'); m.get('openai:x'); m.catalogue(); m.price('openai:x');"
        "print([name for name in ('openai', 'anthropic', 'httpx2') if name in sys.modules])"
    )
    root = Path(__file__).resolve().parents[3]
    done = subprocess.run([sys.executable, "-c", code], cwd=root, capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "[]"


def test_the_catalogue_says_what_is_ready_and_what_to_set():
    cards = {card.name: card for card in ProviderModels({"ANTHROPIC_API_KEY": "k"}).catalogue()}
    assert cards["anthropic:claude-opus-5-5"].ready
    assert not cards["openai:gpt-6.1-sol"].ready
    assert "OPENAI_API_KEY" in cards["openai:gpt-6.1-sol"].remedy
    assert "SCRIPTED_BASE_URL" in cards["scripted:demo"].remedy
    price = cards["anthropic:claude-opus-5-5"].price
    assert price is not None
    assert price.output > 0


@pytest.mark.parametrize(
    ("name", "price"),
    [
        ("openai:gpt-5.4", Price(input=2.5, output=15, cache_read=0.25, window_tokens=922_000)),
        ("openai:gpt-5.4-mini-2026-03-17", Price(input=0.75, output=4.5, cache_read=0.075, window_tokens=272_000)),
        ("openai:qwen3:8b", Price(input=0, output=0, window_tokens=128_000)),
    ],
)
def test_a_price_is_found_by_name_or_pattern_and_unknown_is_free(name: str, price: Price):
    assert ProviderModels({}).price(name) == price


def test_an_operators_prices_go_before_ours(tmp_path: Path):
    own = tmp_path / "prices.yaml"
    own.write_text("as_of: 2026-11-01\nmodels:\n  'openai:qwen3*': {input: 1, output: 2, window_tokens: 32000}\n")
    models = ProviderModels({}, str(own))
    assert models.price("openai:qwen3:8b") == Price(input=1, output=2, window_tokens=32_000)
    assert models.price("openai:gpt-5.4").output == 15
    assert "openai:qwen3" in [card.name for card in models.catalogue()]


@pytest.mark.parametrize("text", ["[", "models: {}", "as_of: 2026-11-01\nmodels: {x: {input: much, output: 1}}"])
def test_a_price_list_that_is_wrong_says_where(tmp_path: Path, text: str):
    own = tmp_path / "prices.yaml"
    own.write_text(text)
    with pytest.raises(InvalidRequest, match=r"prices\.yaml"):
        ProviderModels({}, str(own))
    with pytest.raises(InvalidRequest):
        ProviderModels({}, str(tmp_path / "none.yaml"))


def test_the_kept_list_is_dated_and_whole():
    kept = read_prices(SHIPPED)
    assert kept.as_of.year >= 2026
    assert list(kept.models)[-1] == "*"
    for name, price in kept.models.items():
        assert price.window_tokens >= 100_000, name
        assert price.output >= price.input >= price.cache_read >= 0, name


def test_a_million_of_each_costs_the_sum():
    price = ProviderModels({}).price("anthropic:claude-opus-5-5")
    million = 1_000_000
    usage = Usage(input_tokens=million, output_tokens=million, cache_read_tokens=million, cache_write_tokens=million)
    assert cost_usd(price, usage) == pytest.approx(4 + 20 + 0.2 + 5)


async def test_closing_closes_every_provider():
    models = ProviderModels(ALL)
    first, _ = models.get("scripted:demo")
    await models.close()
    assert models.get("scripted:demo")[0] is not first
    await models.close()
