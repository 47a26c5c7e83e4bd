"""How long is waited for a provider, and when the next model takes over."""

from datetime import UTC, datetime

from domain.errors import KeyRefused, ProviderBusy, ProviderUnavailable, ProviderUnreadable, QuotaUsedUp
from domain.weather import Outlook, Place, WeatherRules, gust, is_impatient, jitter, known_weather, slot_seconds

NOW = datetime(2026, 11, 1, tzinfo=UTC)
HERE = Place(endpoint="vendor/1", model="a")
RULES = WeatherRules()


def test_the_jitter_is_the_same_for_the_same_attempt_and_within_a_quarter() -> None:
    found = [jitter(f"run/{number}") for number in range(200)]
    assert found == [jitter(f"run/{number}") for number in range(200)]
    assert 0.75 <= min(found) < 0.85
    assert 1.15 < max(found) <= 1.25


def test_those_that_wait_come_back_at_the_rate_of_the_rules_and_within_a_minute() -> None:
    assert [slot_seconds(slot, RULES) for slot in (0, 1, 4, 40)] == [0, 0.25, 1, 10]
    assert max(slot_seconds(slot, RULES) for slot in range(10_000)) < 60


def test_no_wait_beyond_a_day_is_believed() -> None:
    told = gust(ProviderBusy("later", retry_after_seconds=1e9), HERE, "r", NOW, RULES)
    assert told.asked_seconds == 86_400


def test_an_error_of_one_request_concerns_nobody_else_yet() -> None:
    assert not gust(ProviderUnavailable("500"), HERE, "r", NOW, RULES).wide
    assert not gust(ProviderUnreadable("nonsense"), HERE, "r", NOW, RULES).wide
    assert gust(ProviderBusy("429"), HERE, "r", NOW, RULES).wide


def test_a_key_that_may_not_use_one_model_may_use_others() -> None:
    wrong, forbidden = KeyRefused("401"), KeyRefused("403")
    forbidden.for_every_model = False
    assert gust(wrong, HERE, "r", NOW, RULES).place.model == ""
    assert gust(forbidden, HERE, "r", NOW, RULES).place.model == "a"


def test_who_did_not_ask_gets_the_error_of_the_one_who_did() -> None:
    outlook = Outlook(asked_at=NOW, may_ask=False, seconds=9, kind="quota", reason="no credit", next_step="Pay.")
    error = known_weather(outlook)
    assert isinstance(error, QuotaUsedUp)
    assert (error.retry_after_seconds, error.was_asked, error.next_step) == (9, False, "Pay.")
    assert isinstance(known_weather(outlook.model_copy(update={"kind": "key"})), KeyRefused)


def test_patience_ends_by_refusals_by_what_was_waited_and_by_what_lies_ahead() -> None:
    short = ProviderBusy("later", retry_after_seconds=2)
    assert not is_impatient(0, 1, short, RULES)
    assert is_impatient(0, 3, short, RULES)
    assert is_impatient(59, 1, short, RULES)
    assert is_impatient(0, 1, ProviderBusy("later", retry_after_seconds=61), RULES)
    assert not is_impatient(59, 0, ProviderBusy("later", retry_after_seconds=1), RULES)
